// The scenario with Sarama; ../scenario.py says what each test is. It has no cooperative protocol.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "callboard/scenario"
)

var admin sarama.ClusterAdmin

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.MaxVersion
	made.Net.DialTimeout, made.Net.ReadTimeout = 10*time.Second, 20*time.Second
	made.Producer.RequiredAcks = sarama.WaitForAll
	made.Producer.Return.Successes = true
	made.Consumer.Return.Errors = true
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Group.Session.Timeout, made.Consumer.Group.Heartbeat.Interval = 6*time.Second, 500*time.Millisecond
	made.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	made.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	made.Consumer.MaxWaitTime = 200 * time.Millisecond
	return made
}

func refused(err, expected error, what string) {
	if !errors.Is(err, expected) {
		Fail("%s: %v instead of %v", what, err, expected)
	}
}

func text(value string) *string { return &value }

func topic(tag string, partitions int32, configs map[string]*string) string {
	name := fmt.Sprintf("sarama-%s-%s", tag, Run)
	Must(admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}, false), "create")
	Until(func() bool {
		found, err := admin.DescribeTopics([]string{name})
		return err == nil && found[0].Err == sarama.ErrNoError && len(found[0].Partitions) == int(partitions)
	}, "the new topic", nil)
	return name
}

func produce(name string, given []Record, codec sarama.CompressionCodec) {
	settings := config()
	settings.Producer.Compression = codec
	settings.Producer.Idempotent = true
	settings.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{Bootstrap()}, settings)
	Must(err, "producer")
	defer func() { Must(producer.Close(), "close") }()
	var messages []*sarama.ProducerMessage
	for _, one := range given {
		message := &sarama.ProducerMessage{Topic: name, Key: sarama.StringEncoder(one.Key), Value: sarama.StringEncoder(one.Value)}
		for _, header := range one.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
		}
		messages = append(messages, message)
	}
	Must(producer.SendMessages(messages), "produce")
}

// read takes records of partition 0 from an offset on.
func read(name string, offset int64, count int) []*sarama.ConsumerMessage {
	consumer, err := sarama.NewConsumer([]string{Bootstrap()}, config())
	Must(err, "consumer")
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(name, 0, offset)
	Must(err, "consume")
	defer partition.Close()
	var got []*sarama.ConsumerMessage
	for bound := time.After(20 * time.Second); len(got) < count; {
		select {
		case message := <-partition.Messages():
			got = append(got, message)
		case problem := <-partition.Errors():
			Fail("consume: %v", problem)
		case <-bound:
			Fail("%d of %d records", len(got), count)
		}
	}
	return got
}

func createTopics() {
	name := topic("create", 3, map[string]*string{"retention.ms": text("123456")})
	create := func(name string, partitions int32, factor int16, only bool) error {
		return admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: factor}, only)
	}
	refused(create(name, 1, 1, false), sarama.ErrTopicAlreadyExists, "one that exists")
	refused(create("no/slash", 1, 1, false), sarama.ErrInvalidTopic, "an illegal name")
	refused(create(name+"-2", 1, 5, false), sarama.ErrInvalidReplicationFactor, "too many replicas")
	refused(create(name+"-3", 0, 1, false), sarama.ErrInvalidPartitions, "no partitions")
	Must(create(name+"-4", 1, 1, true), "validate only")
	found, err := admin.ListTopics()
	Must(err, "list")
	if _, there := found[name+"-4"]; there {
		Fail("validate only makes a topic")
	}
}

func thereAndBack(codec string) {
	codecs := map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}
	name := topic(codec, 1, nil)
	given := Records(300, codec, 0)
	produce(name, given, codecs[codec])
	for n, message := range read(name, sarama.OffsetOldest, 300) {
		var headers [][2]string
		for _, header := range message.Headers {
			headers = append(headers, [2]string{string(header.Key), string(header.Value)})
		}
		Same(message.Offset, n, "offset")
		Same(Record{string(message.Key), string(message.Value), headers}, given[n], "record")
	}
}

// member reads until it is told to leave, marks what it has read, and knows what it owns.
type member struct {
	group    sarama.ConsumerGroup
	name     string
	mutex    sync.Mutex
	owned    []int32
	values   []string
	sessions int
	problem  error
	cancel   context.CancelFunc
	ended    chan struct{}
}

func join(group, name, instance string) *member {
	settings := config()
	settings.ClientID = "a-client"
	settings.Consumer.Group.InstanceId = instance
	if instance != "" {
		settings.Consumer.Group.Session.Timeout = 15 * time.Second
	}
	made, err := sarama.NewConsumerGroup([]string{Bootstrap()}, group, settings)
	Must(err, "group")
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{group: made, name: name, cancel: cancel, ended: make(chan struct{})}
	go func() {
		for problem := range made.Errors() {
			fmt.Println("a member is told:", problem)
		}
	}()
	go func() {
		defer close(one.ended)
		for ctx.Err() == nil {
			if err := made.Consume(ctx, []string{name}, one); err != nil && ctx.Err() == nil {
				one.mutex.Lock()
				one.problem = err
				one.mutex.Unlock()
				return
			}
		}
	}()
	return one
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned = slices.Clone(session.Claims()[m.name])
	m.sessions++
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.owned = nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			m.mutex.Lock()
			m.values = append(m.values, string(message.Value))
			m.mutex.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) leave() {
	m.cancel()
	<-m.ended
	_ = m.group.Close()
}

func (m *member) has() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.problem != nil {
		Fail("a member: %v", m.problem)
	}
	return slices.Sorted(slices.Values(m.owned))
}

func shared(members []*member, partitions int) bool {
	var owned [][]int32
	for _, one := range members {
		owned = append(owned, one.has())
	}
	return Shared(owned, partitions)
}

func state(members []*member) func() string {
	return func() string {
		said := "owned:"
		for _, one := range members {
			said += fmt.Sprint(" ", one.has())
		}
		return said
	}
}

func distinct(members []*member) int {
	values := map[string]bool{}
	for _, one := range members {
		one.mutex.Lock()
		for _, value := range one.values {
			values[value] = true
		}
		one.mutex.Unlock()
	}
	return len(values)
}

func committed(group, name string, partitions int) map[int32]int64 {
	found, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{name: Numbers(partitions)})
	Must(err, "fetch offsets")
	offsets := map[int32]int64{}
	for partition, block := range found.Blocks[name] {
		refused(block.Err, sarama.ErrNoError, "fetch offsets")
		offsets[partition] = block.Offset
	}
	return offsets
}

func ends(name string, partitions int) map[int32]int64 {
	client, err := sarama.NewClient([]string{Bootstrap()}, config())
	Must(err, "client")
	defer client.Close()
	offsets := map[int32]int64{}
	for _, partition := range Numbers(partitions) {
		offsets[partition], err = client.GetOffset(name, partition, sarama.OffsetNewest)
		Must(err, "end offsets")
	}
	return offsets
}

func groupRebalance() {
	name := topic("rebalance", 6, nil)
	group := "g-" + name
	members := []*member{join(group, name, ""), join(group, name, ""), join(group, name, "")}
	everyone := slices.Clone(members)
	defer func() {
		for _, one := range members {
			one.leave()
		}
	}()
	Until(func() bool { return shared(members, 6) }, "three share six partitions", state(members))
	produce(name, Records(600, "r", 0), sarama.CompressionNone)
	Until(func() bool { return distinct(everyone) == 600 }, "the first 600", nil)
	members[0].leave()
	members = members[1:]
	Until(func() bool { return shared(members, 6) }, "two share six partitions", state(members))
	members = append(members, join(group, name, ""))
	everyone = append(everyone, members[2])
	Until(func() bool { return shared(members, 6) }, "two and a new one share six partitions", state(members))
	produce(name, Records(600, "r", 600), sarama.CompressionNone)
	Until(func() bool { return distinct(everyone) == 1200 }, "all 1200", nil)
	Until(func() bool { return fmt.Sprint(committed(group, name, 6)) == fmt.Sprint(ends(name, 6)) }, "committed offsets are the ends", nil)
}

func groupStatic() {
	name := topic("static", 4, nil)
	group := "g-" + name
	first, second := join(group, name, "one"), join(group, name, "two")
	defer func() { first.leave(); second.leave() }()
	both := func() []*member { return []*member{first, second} }
	Until(func() bool { return shared(both(), 4) }, "two share four partitions", state(both()))
	time.Sleep(2 * time.Second)
	before, others, seen := first.has(), second.has(), second.sessions
	first.leave()
	time.Sleep(time.Second)
	first = join(group, name, "one")
	Until(func() bool { return slices.Equal(first.has(), before) }, "the one that came back has its partitions again", state(both()))
	Same(second.has(), others, "the other's partitions")
	Same(second.sessions, seen, "sessions of the other")
	produce(name, Records(100, "static", 0), sarama.CompressionNone)
	Until(func() bool { return distinct(both()) == 100 }, "all records", nil)
	left, err := admin.RemoveMemberFromConsumerGroup(group, []string{"two"})
	Must(err, "leave by instance id")
	refused(left.Err, sarama.ErrNoError, "leave by instance id")
}

func seekOffset() {
	name := topic("seek", 1, nil)
	produce(name, Records(100, "seek", 0), sarama.CompressionNone)
	for n, message := range read(name, 42, 58) {
		Same(message.Offset, 42+n, "offset after the seek")
	}
	consumer, err := sarama.NewConsumer([]string{Bootstrap()}, config())
	Must(err, "consumer")
	defer consumer.Close()
	_, err = consumer.ConsumePartition(name, 0, 5000)
	refused(err, sarama.ErrOffsetOutOfRange, "beyond the end")
}

func seekTimestamp() {
	name := topic("times", 1, nil)
	start := time.Now().Add(-100 * time.Second).Truncate(time.Millisecond)
	producer, err := sarama.NewSyncProducer([]string{Bootstrap()}, config())
	Must(err, "producer")
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for n := range 100 {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(fmt.Sprint("v", n)),
			Timestamp: start.Add(time.Duration(n) * time.Second)})
	}
	Must(producer.SendMessages(messages), "produce")
	client, err := sarama.NewClient([]string{Bootstrap()}, config())
	Must(err, "client")
	defer client.Close()
	for _, one := range []struct{ ms, offset int64 }{{30_000, 30}, {30_001, 31}, {-5, 0}, {1_000_000, -1}} {
		found, err := client.GetOffset(name, 0, start.UnixMilli()+one.ms)
		Must(err, "offset at a time")
		Same(found, one.offset, fmt.Sprintf("the offset at %d ms", one.ms))
	}
	first := read(name, 31, 1)[0]
	Same(first.Timestamp.UnixMilli(), start.UnixMilli()+31_000, "the timestamp of the record")
}

func adminTopics() {
	name := topic("admin", 2, nil)
	listed, err := admin.ListTopics()
	Must(err, "list")
	Same(listed[name].NumPartitions, 2, "partitions")
	described, err := admin.DescribeTopics([]string{name})
	Must(err, "describe")
	Same(len(described[0].Partitions[0].Isr), 1, "in-sync replicas")
	Same(described[0].IsInternal, false, "internal")
	Must(admin.CreatePartitions(name, 5, nil, false), "partitions")
	Until(func() bool {
		found, err := admin.DescribeTopics([]string{name})
		return err == nil && len(found[0].Partitions) == 5
	}, "five partitions", nil)
	refused(admin.CreatePartitions(name, 3, nil, false), sarama.ErrInvalidPartitions, "fewer partitions")
	Must(admin.DeleteTopic(name), "delete")
	Until(func() bool { found, err := admin.ListTopics(); _, there := found[name]; return err == nil && !there }, "the topic is gone", nil)
	refused(admin.DeleteTopic(name), sarama.ErrUnknownTopicOrPartition, "delete once more")
	brokers, controller, err := admin.DescribeCluster()
	Must(err, "cluster")
	Same(len(brokers), 1, "brokers")
	Same(brokers[0].ID(), controller, "controller")
	dirs, err := admin.DescribeLogDirs([]int32{brokers[0].ID()})
	Must(err, "log directories")
	Same(len(dirs), 1, "brokers with log directories")
}

func adminConfigs() {
	name := topic("configs", 1, map[string]*string{"retention.ms": text("100000")})
	resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: name}
	configs := func() map[string]string {
		found, err := admin.DescribeConfig(resource)
		Must(err, "describe")
		values := map[string]string{}
		for _, one := range found {
			values[one.Name] = one.Value
		}
		return values
	}
	found := configs()
	Same(found["retention.ms"], "100000", "retention.ms")
	for _, key := range []string{"cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "segment.bytes"} {
		if _, there := found[key]; !there {
			Fail("%s is not described", key)
		}
	}
	alter := func(operation sarama.IncrementalAlterConfigsOperation, value *string) error {
		return admin.IncrementalAlterConfig(sarama.TopicResource, name,
			map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: operation, Value: value}}, false)
	}
	Must(alter(sarama.IncrementalAlterConfigsOperationSet, text("200000")), "set")
	Until(func() bool { return configs()["retention.ms"] == "200000" }, "the altered value", nil)
	Must(alter(sarama.IncrementalAlterConfigsOperationDelete, nil), "delete")
	Until(func() bool { return configs()["retention.ms"] == "604800000" }, "the default again", nil)
	if err := alter(sarama.IncrementalAlterConfigsOperationSet, text("many")); err == nil {
		Fail("an illegal value is taken")
	}
	// AlterConfigs: what is not named goes back to its default.
	Must(admin.AlterConfig(sarama.TopicResource, name, map[string]*string{"max.message.bytes": text("50000")}, false), "alter")
	Until(func() bool { return configs()["max.message.bytes"] == "50000" }, "the altered value", nil)
}

func adminGroups() {
	name := topic("groups", 2, nil)
	group := "g-" + name
	one := join(group, name, "")
	left := false
	defer func() {
		if !left {
			one.leave()
		}
	}()
	Until(func() bool { return slices.Equal(one.has(), []int32{0, 1}) }, "an assignment", nil)
	listed, err := admin.ListConsumerGroups()
	Must(err, "list")
	Same(listed[group], "consumer", "listed")
	described, err := admin.DescribeConsumerGroups([]string{group})
	Must(err, "describe")
	Same(fmt.Sprint(described[0].State, " ", described[0].Protocol, " ", len(described[0].Members)), "Stable range 1", "described")
	for _, found := range described[0].Members {
		Same(found.ClientId, "a-client", "client id")
		assigned, err := found.GetMemberAssignment()
		Must(err, "assignment")
		Same(len(assigned.Topics[name]), 2, "assigned partitions")
		subscribed, err := found.GetMemberMetadata()
		Must(err, "subscription")
		Same(subscribed.Topics, []string{name}, "subscribed topics")
	}
	refused(admin.DeleteConsumerGroup(group), sarama.ErrNonEmptyGroup, "delete a group with members")
	one.leave()
	left = true
	Until(func() bool {
		found, err := admin.DescribeConsumerGroups([]string{group})
		return err == nil && found[0].State == "Empty"
	}, "the group is empty", nil)
	Must(admin.DeleteConsumerGroup(group), "delete")
	refused(admin.DeleteConsumerGroup(group), sarama.ErrGroupIDNotFound, "delete once more")
}

func adminDeleteRecords() {
	name := topic("records", 1, nil)
	produce(name, Records(100, "records", 0), sarama.CompressionNone)
	Must(admin.DeleteRecords(name, map[int32]int64{0: 40}), "delete records")
	Same(read(name, sarama.OffsetOldest, 60)[0].Offset, 40, "the first record")
	if err := admin.DeleteRecords(name, map[int32]int64{0: 101}); err == nil {
		Fail("records beyond the end are deleted")
	}
}

func adminOffsets() {
	name := topic("commits", 2, nil)
	group := "g-" + name
	alter := func(offsets map[int32]sarama.OffsetAndMetadata) {
		done, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{name: offsets}, nil)
		Must(err, "alter offsets")
		for partition, problem := range done.Errors[name] {
			refused(problem, sarama.ErrNoError, fmt.Sprint("alter the offset of partition ", partition))
		}
	}
	alter(map[int32]sarama.OffsetAndMetadata{0: {Offset: 7, LeaderEpoch: -1, Metadata: "a note"}, 1: {Offset: 3, LeaderEpoch: -1}})
	found, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})
	Must(err, "fetch offsets")
	block := found.GetBlock(name, 0)
	Same(fmt.Sprint(block.Offset, block.Metadata), fmt.Sprint(7, "a note"), "what was committed")
	alter(map[int32]sarama.OffsetAndMetadata{0: {Offset: 20, LeaderEpoch: -1}})
	Same(committed(group, name, 2), map[int32]int64{0: 20, 1: 3}, "offsets after altering one")
	batch, err := admin.ListConsumerGroupOffsetsBatch(map[string]map[string][]int32{group: nil, "nobody-" + Run: nil})
	Must(err, "offsets of two groups")
	Same(len(batch), 2, "groups")
	Must(admin.DeleteConsumerGroupOffset(group, name, 1), "delete an offset")
	Same(committed(group, name, 2), map[int32]int64{0: 20, 1: -1}, "offsets after deleting one")
}

func main() {
	var err error
	admin, err = sarama.NewClusterAdmin([]string{Bootstrap()}, config())
	if err != nil {
		fmt.Println("no admin client:", err)
		return
	}
	tests := []Test{{"create-topics", createTopics}}
	for _, codec := range Codecs {
		tests = append(tests, Test{"produce-" + codec, func() { thereAndBack(codec) }})
	}
	All(append(tests,
		Test{"group-rebalance", groupRebalance},
		Test{"group-static", groupStatic},
		Test{"seek-offset", seekOffset},
		Test{"seek-timestamp", seekTimestamp},
		Test{"admin-topics", adminTopics},
		Test{"admin-configs", adminConfigs},
		Test{"admin-groups", adminGroups},
		Test{"admin-delete-records", adminDeleteRecords},
		Test{"admin-offsets", adminOffsets}))
}

// The scenario with franz-go; ../scenario.py says what each test is.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	. "callboard/scenario"
)

var (
	background = context.Background()
	admin      *kadm.Client
)

func within() (context.Context, context.CancelFunc) { return context.WithTimeout(background, 20*time.Second) }

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(Bootstrap())}, options...)...)
	Must(err, "client")
	return made
}

func topic(tag string, partitions int32, configs map[string]*string) string {
	name := fmt.Sprintf("franz-%s-%s", tag, Run)
	ctx, cancel := within()
	defer cancel()
	_, err := admin.CreateTopic(ctx, partitions, 1, configs, name)
	Must(err, "create "+name)
	Until(func() bool {
		found, err := admin.ListTopics(ctx, name)
		return err == nil && found[name].Err == nil && len(found[name].Partitions) == int(partitions)
	}, "the new topic", nil)
	return name
}

func produce(name string, given []Record, options ...kgo.Opt) {
	producer := client(append(options, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	defer producer.Close()
	var records []*kgo.Record
	for _, one := range given {
		record := &kgo.Record{Topic: name, Key: []byte(one.Key), Value: []byte(one.Value)}
		for _, header := range one.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
		}
		records = append(records, record)
	}
	ctx, cancel := within()
	defer cancel()
	Must(producer.ProduceSync(ctx, records...).FirstErr(), "produce")
}

func read(reader *kgo.Client, count int) []*kgo.Record {
	ctx, cancel := within()
	defer cancel()
	var got []*kgo.Record
	for len(got) < count {
		fetched := reader.PollRecords(ctx, count-len(got))
		if err := fetched.Err0(); err != nil {
			Fail("%d of %d records: %v", len(got), count, err)
		}
		for _, problem := range fetched.Errors() {
			Fail("fetch: %v", problem.Err)
		}
		got = append(got, fetched.Records()...)
	}
	return got
}

func from(name string, offset kgo.Offset) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: offset}})
}

func refused(err, expected error, what string) {
	if !errors.Is(err, expected) {
		Fail("%s: %v instead of %v", what, err, expected)
	}
}

func createTopics() {
	name := topic("create", 3, map[string]*string{"retention.ms": kadm.StringPtr("123456")})
	ctx, cancel := within()
	defer cancel()
	create := func(name string, partitions int32, factor int16) error {
		_, err := admin.CreateTopic(ctx, partitions, factor, nil, name)
		return err
	}
	refused(create(name, 1, 1), kerr.TopicAlreadyExists, "one that exists")
	refused(create("no/slash", 1, 1), kerr.InvalidTopicException, "an illegal name")
	refused(create(name+"-2", 1, 5), kerr.InvalidReplicationFactor, "too many replicas")
	refused(create(name+"-3", 0, 1), kerr.InvalidPartitions, "no partitions")
	_, err := admin.ValidateCreateTopics(ctx, 1, 1, nil, name+"-4")
	Must(err, "validate only")
	found, err := admin.ListTopics(ctx)
	Must(err, "list")
	Same(found.Has(name+"-4"), false, "validate_only makes a topic")
}

func thereAndBack(codec string) {
	name := topic(codec, 1, nil)
	given := Records(300, codec, 0)
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	produce(name, given, kgo.ProducerBatchCompression(codecs[codec]))
	reader := client(from(name, kgo.NewOffset().AtStart()))
	defer reader.Close()
	for n, record := range read(reader, 300) {
		var headers [][2]string
		for _, header := range record.Headers {
			headers = append(headers, [2]string{header.Key, string(header.Value)})
		}
		Same(record.Offset, n, "offset")
		Same(Record{string(record.Key), string(record.Value), headers}, given[n], "record")
	}
}

// member reads until it is told to leave, commits what it has read, and knows what it owns.
type member struct {
	client  *kgo.Client
	mutex   sync.Mutex
	owned   []int32
	values  []string
	events  int
	revoked [][]int32
	problem error
	ended   chan struct{}
	leave   context.CancelFunc
}

func join(group, name string, options ...kgo.Opt) *member {
	made := &member{ended: make(chan struct{})}
	options = append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.RebalanceTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			made.mutex.Lock()
			defer made.mutex.Unlock()
			made.events++
			made.owned = append(made.owned, got[name]...)
		}),
		kgo.OnPartitionsRevoked(made.lost(name)), kgo.OnPartitionsLost(made.lost(name))}, options...)
	made.client = client(options...)
	ctx, cancel := context.WithCancel(background)
	made.leave = func() {
		cancel()
		<-made.ended
	}
	go func() {
		defer close(made.ended)
		for ctx.Err() == nil {
			fetched := made.client.PollFetches(ctx)
			if ctx.Err() != nil {
				break
			}
			made.mutex.Lock()
			fetched.EachError(func(_ string, _ int32, err error) { made.problem = err })
			fetched.EachRecord(func(record *kgo.Record) { made.values = append(made.values, string(record.Value)) })
			made.mutex.Unlock()
			err := made.client.CommitUncommittedOffsets(ctx)
			// Between two generations; what is not committed is read again.
			if err != nil && ctx.Err() == nil && !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.IllegalGeneration) &&
				!errors.Is(err, kerr.UnknownMemberID) {
				made.mutex.Lock()
				made.problem = err
				made.mutex.Unlock()
			}
		}
		made.client.Close()
	}()
	return made
}

func (m *member) lost(name string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.revoked = append(m.revoked, lost[name])
		m.owned = slices.DeleteFunc(m.owned, func(one int32) bool { return slices.Contains(lost[name], one) })
	}
}

func (m *member) has() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.problem != nil {
		Fail("a member: %v", m.problem)
	}
	return slices.Sorted(slices.Values(m.owned))
}

func (m *member) revocations() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.revoked)
}

func shared(members []*member, partitions int) bool {
	var owned [][]int32
	for _, one := range members {
		owned = append(owned, one.has())
	}
	return Shared(owned, partitions)
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

func state(members []*member) func() string {
	return func() string {
		said := "owned:"
		for _, one := range members {
			said += fmt.Sprint(" ", one.has())
		}
		return said
	}
}

func committed(group, name string) map[int32]int64 {
	ctx, cancel := within()
	defer cancel()
	found, err := admin.FetchOffsets(ctx, group)
	Must(err, "fetch offsets")
	offsets := map[int32]int64{}
	for partition, one := range found[name] {
		Must(one.Err, "fetch offsets")
		offsets[partition] = one.At
	}
	return offsets
}

func ends(name string) map[int32]int64 {
	ctx, cancel := within()
	defer cancel()
	found, err := admin.ListEndOffsets(ctx, name)
	Must(err, "end offsets")
	offsets := map[int32]int64{}
	for partition, one := range found[name] {
		offsets[partition] = one.Offset
	}
	return offsets
}

func rebalance(tag string, balancer kgo.GroupBalancer) {
	name := topic(tag, 6, nil)
	group := "g-" + name
	options := kgo.Balancers(balancer)
	members := []*member{join(group, name, options), join(group, name, options), join(group, name, options)}
	everyone := slices.Clone(members)
	defer func() {
		for _, one := range members {
			one.leave()
		}
	}()
	Until(func() bool { return shared(members, 6) }, "three share six partitions", state(members))
	var before []int
	for _, one := range everyone {
		before = append(before, one.revocations())
	}
	produce(name, Records(600, tag, 0))
	Until(func() bool { return distinct(everyone) == 600 }, "the first 600", nil)
	members[0].leave()
	members = members[1:]
	Until(func() bool { return shared(members, 6) }, "two share six partitions", state(members))
	members = append(members, join(group, name, options))
	everyone = append(everyone, members[2])
	Until(func() bool { return shared(members, 6) }, "two and a new one share six partitions", state(members))
	produce(name, Records(600, tag, 600))
	Until(func() bool { return distinct(everyone) == 1200 }, "all 1200", nil)
	Until(func() bool { return fmt.Sprint(committed(group, name)) == fmt.Sprint(ends(name)) }, "committed offsets are the ends", nil)
	if tag == "cooperative" {
		for n, one := range everyone[1:3] {
			for _, lost := range one.revoked[before[n+1]:one.revocations()] {
				if len(lost) > 2 {
					Fail("a whole assignment was revoked: %v", one.revoked)
				}
			}
		}
	}
}

func groupStatic() {
	name := topic("static", 4, nil)
	group := "g-" + name
	longer := kgo.SessionTimeout(15 * time.Second)
	first, second := join(group, name, kgo.InstanceID("one"), longer), join(group, name, kgo.InstanceID("two"), longer)
	defer func() { first.leave(); second.leave() }()
	both := func() []*member { return []*member{first, second} }
	Until(func() bool { return shared(both(), 4) }, "two share four partitions", state(both()))
	time.Sleep(time.Second)
	before, others, seen := first.has(), second.has(), second.events
	first.leave()
	time.Sleep(time.Second)
	first = join(group, name, kgo.InstanceID("one"), longer)
	Until(func() bool { return slices.Equal(first.has(), before) }, "the one that came back has its partitions again", state(both()))
	Same(second.has(), others, "the other's partitions")
	Same(second.events, seen, "assignments of the other")
	produce(name, Records(100, "static", 0))
	Until(func() bool { return distinct(both()) == 100 }, "all records", nil)
	ctx, cancel := within()
	defer cancel()
	left, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(group).InstanceIDs("two"))
	Must(err, "leave by instance id")
	Must(left["two"].Err, "leave by instance id")
}

func seekOffset() {
	name := topic("seek", 1, nil)
	produce(name, Records(100, "seek", 0))
	reader := client(from(name, kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	read(reader, 100)
	reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: 42}}})
	for n, record := range read(reader, 58) {
		Same(record.Offset, 42+n, "offset after the seek")
	}
	reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: 5000}}})
	Same(read(reader, 1)[0].Offset, 0, "out of range: back to the earliest")
	last := client(from(name, kgo.NewOffset().AtEnd().Relative(-3)))
	defer last.Close()
	Same(read(last, 3)[0].Offset, 97, "three before the end")
}

func seekTimestamp() {
	name := topic("times", 1, nil)
	start := time.Now().Add(-100 * time.Second).Truncate(time.Millisecond)
	producer := client()
	defer producer.Close()
	ctx, cancel := within()
	defer cancel()
	for n := range 100 {
		record := &kgo.Record{Topic: name, Value: []byte(fmt.Sprint("v", n)), Timestamp: start.Add(time.Duration(n) * time.Second)}
		producer.Produce(ctx, record, nil)
	}
	Must(producer.Flush(ctx), "flush")
	for _, one := range []struct{ ms, offset int64 }{{30_000, 30}, {30_001, 31}, {-5, 0}} {
		found, err := admin.ListOffsetsAfterMilli(ctx, start.UnixMilli()+one.ms, name)
		Must(err, "offsets after")
		Same(found[name][0].Offset, one.offset, fmt.Sprintf("the offset at %d ms", one.ms))
	}
	reader := client(from(name, kgo.NewOffset().AfterMilli(start.UnixMilli()+30_001)))
	defer reader.Close()
	first := read(reader, 69)[0]
	Same(first.Offset, 31, "the first record from a time")
	Same(first.Timestamp.UnixMilli(), start.UnixMilli()+31_000, "its timestamp")
	found, err := admin.ListMaxTimestampOffsets(ctx, name)
	Must(err, "max timestamp")
	Same(found[name][0].Offset, 99, "the offset of the newest")
}

func adminTopics() {
	name := topic("admin", 2, nil)
	ctx, cancel := within()
	defer cancel()
	found, err := admin.ListTopics(ctx, name)
	Must(err, "list")
	Same(len(found[name].Partitions), 2, "partitions")
	Same(len(found[name].Partitions[0].ISR), 1, "in-sync replicas")
	done, err := admin.UpdatePartitions(ctx, 5, name)
	Must(err, "partitions")
	Must(done[name].Err, "partitions")
	Until(func() bool {
		found, err := admin.ListTopics(ctx, name)
		return err == nil && len(found[name].Partitions) == 5
	}, "five partitions", nil)
	done, err = admin.UpdatePartitions(ctx, 3, name)
	Must(err, "fewer partitions")
	refused(done[name].Err, kerr.InvalidPartitions, "fewer partitions")
	_, err = admin.DeleteTopic(ctx, name)
	Must(err, "delete")
	Until(func() bool { found, err := admin.ListTopics(ctx); return err == nil && !found.Has(name) }, "the topic is gone", nil)
	_, err = admin.DeleteTopic(ctx, name)
	refused(err, kerr.UnknownTopicOrPartition, "delete once more")
	cluster, err := admin.BrokerMetadata(ctx)
	Must(err, "cluster")
	Same(len(cluster.Brokers), 1, "brokers")
	Same(len(cluster.Cluster), 22, "length of the cluster's id")
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	Must(err, "log directories")
	Same(len(dirs), 1, "brokers with log directories")
}

func adminConfigs() {
	name := topic("configs", 1, map[string]*string{"retention.ms": kadm.StringPtr("100000")})
	ctx, cancel := within()
	defer cancel()
	configs := func() map[string]string {
		found, err := admin.DescribeTopicConfigs(ctx, name)
		Must(err, "describe")
		values := map[string]string{}
		for _, one := range found[0].Configs {
			values[one.Key] = one.MaybeValue()
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
	alter := func(op kadm.IncrementalOp, key string, value *string) error {
		done, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: op, Name: key, Value: value}}, name)
		Must(err, "alter")
		return done[0].Err
	}
	Must(alter(kadm.SetConfig, "retention.ms", kadm.StringPtr("200000")), "set")
	Until(func() bool { return configs()["retention.ms"] == "200000" }, "the altered value", nil)
	Must(alter(kadm.AppendConfig, "cleanup.policy", kadm.StringPtr("delete")), "append what is there")
	Must(alter(kadm.DeleteConfig, "retention.ms", nil), "delete")
	Until(func() bool { return configs()["retention.ms"] == "604800000" }, "the default again", nil)
	refused(alter(kadm.SetConfig, "retention.ms", kadm.StringPtr("many")), kerr.InvalidConfig, "an illegal value")
	brokers, err := admin.DescribeBrokerConfigs(ctx, 1)
	Must(err, "broker configs")
	Must(brokers[0].Err, "broker configs")
}

func adminGroups() {
	name := topic("groups", 2, nil)
	group := "g-" + name
	one := join(group, name, kgo.ClientID("a-client"), kgo.Balancers(kgo.RangeBalancer()))
	left := false
	defer func() {
		if !left {
			one.leave()
		}
	}()
	ctx, cancel := within()
	defer cancel()
	Until(func() bool { return slices.Equal(one.has(), []int32{0, 1}) }, "an assignment", nil)
	listed, err := admin.ListGroups(ctx)
	Must(err, "list")
	Same(listed[group].State+" "+listed[group].ProtocolType, "Stable consumer", "listed")
	listed, err = admin.ListGroups(ctx, "Empty")
	Must(err, "list empty ones")
	Same(len(listed[group].Group), 0, "listed among the empty ones")
	described, err := admin.DescribeGroups(ctx, group)
	Must(err, "describe")
	found := described[group]
	Must(found.Err, "describe")
	Same(fmt.Sprint(found.State, " ", found.Protocol, " ", len(found.Members)), "Stable range 1", "described")
	Same(found.Members[0].ClientID, "a-client", "client id")
	assigned, ok := found.Members[0].Assigned.AsConsumer()
	if !ok || len(assigned.Topics) != 1 || len(assigned.Topics[0].Partitions) != 2 {
		Fail("assignment: %v", found.Members[0].Assigned)
	}
	lag, err := admin.Lag(ctx, group)
	Must(err, "lag")
	grouped := lag[group]
	Must(grouped.Error(), "lag")
	_, err = admin.DeleteGroup(ctx, group)
	refused(err, kerr.NonEmptyGroup, "delete a group with members")
	one.leave()
	left = true
	Until(func() bool { found, err := admin.DescribeGroups(ctx, group); return err == nil && found[group].State == "Empty" },
		"the group is empty", nil)
	_, err = admin.DeleteGroup(ctx, group)
	Must(err, "delete")
	_, err = admin.DeleteGroup(ctx, group)
	refused(err, kerr.GroupIDNotFound, "delete once more")
}

func adminDeleteRecords() {
	name := topic("records", 1, nil)
	produce(name, Records(100, "records", 0))
	ctx, cancel := within()
	defer cancel()
	remove := func(offset int64) kadm.DeleteRecordsResponse {
		var offsets kadm.Offsets
		offsets.AddOffset(name, 0, offset, -1)
		done, err := admin.DeleteRecords(ctx, offsets)
		Must(err, "delete records")
		return done[name][0]
	}
	done := remove(40)
	Must(done.Err, "delete records")
	Same(done.LowWatermark, 40, "low watermark")
	reader := client(from(name, kgo.NewOffset().At(0)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	Same(read(reader, 60)[0].Offset, 40, "the first record")
	refused(remove(101).Err, kerr.OffsetOutOfRange, "beyond the end")
	starts, err := admin.ListStartOffsets(ctx, name)
	Must(err, "start offsets")
	Same(starts[name][0].Offset, 40, "the first offset")
}

func adminOffsets() {
	name := topic("commits", 2, nil)
	group := "g-" + name
	ctx, cancel := within()
	defer cancel()
	commit := func(partition int32, at int64, metadata string) {
		done, err := admin.CommitOffsets(ctx, group, kadm.Offsets{name: {partition: {Topic: name, Partition: partition, At: at, LeaderEpoch: 0,
			Metadata: metadata}}})
		Must(err, "commit")
		Must(done.Error(), "commit")
	}
	commit(0, 7, "a note")
	commit(1, 3, "")
	found, err := admin.FetchOffsets(ctx, group)
	Must(err, "fetch")
	one := found[name][0]
	Same(fmt.Sprint(one.At, one.Metadata, one.LeaderEpoch), fmt.Sprint(7, "a note", 0), "what was committed")
	commit(0, 20, "")
	Same(committed(group, name), map[int32]int64{0: 20, 1: 3}, "offsets after altering one")
	many := admin.FetchManyOffsets(ctx, group, "nobody-"+Run)
	Must(many.Error(), "fetch of two groups")
	Same(len(many["nobody-"+Run].Fetched), 0, "offsets of a group that is not there")
	deleted, err := admin.DeleteOffsets(ctx, group, kadm.TopicsSet{name: {1: {}}})
	Must(err, "delete offsets")
	Must(deleted.Error(), "delete offsets")
	Same(committed(group, name), map[int32]int64{0: 20}, "offsets after deleting one")
}

func main() {
	admin = kadm.NewClient(client())
	tests := []Test{{"create-topics", createTopics}}
	for _, codec := range Codecs {
		tests = append(tests, Test{"produce-" + codec, func() { thereAndBack(codec) }})
	}
	All(append(tests,
		Test{"group-rebalance", func() { rebalance("eager", kgo.RangeBalancer()) }},
		Test{"group-cooperative", func() { rebalance("cooperative", kgo.CooperativeStickyBalancer()) }},
		Test{"group-static", groupStatic},
		Test{"seek-offset", seekOffset},
		Test{"seek-timestamp", seekTimestamp},
		Test{"admin-topics", adminTopics},
		Test{"admin-configs", adminConfigs},
		Test{"admin-groups", adminGroups},
		Test{"admin-delete-records", adminDeleteRecords},
		Test{"admin-offsets", adminOffsets}))
}

"""The scenario with confluent-kafka; `../scenario.py` says what each test is."""

import threading
import time
import uuid

from confluent_kafka import (OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer,
                             TopicCollection, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

from scenario import BOOTSTRAP, CODECS, RUN, Wrong, records, require, same, test, told, wanted

WITHIN = 20
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def done(futures):
    """The results of the admin client's futures, by key."""
    return {key: future.result(WITHIN) for key, future in futures.items()}


def refused(futures, *codes):
    for key, future in futures.items():
        try:
            future.result(WITHIN)
        except KafkaException as problem:
            require(problem.args[0].code() in codes, f"{key} is refused with {problem.args[0].name()}")
        else:
            raise Wrong(f"{key} is not refused")


def topic(tag, partitions=1, **config):
    name = f"confluent-{tag}-{RUN}"
    done(admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1,
                                       config={key.replace("_", "."): value for key, value in config.items()})]))
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        found = admin.list_topics(name, timeout=WITHIN).topics[name].partitions
        if len(found) == partitions and all(one.leader >= 0 for one in found.values()):
            return name
        time.sleep(0.1)
    raise Wrong(f"topic {name} has no leaders within {WITHIN} s")


def produce(name, given, **config):
    problems = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "acks": "all", "enable.idempotence": True, "linger.ms": 50, **config})
    for key, value, headers in given:
        producer.produce(name, value, key, headers=headers, on_delivery=lambda error, _: error and problems.append(error))
    require(producer.flush(WITHIN) == 0, "not everything is delivered")
    require(not problems, f"delivery failed: {problems[:1]}")


def consumer(group, **config):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
                     **{key.replace("_", "."): value for key, value in config.items()}})


def read(reader, count, within=WITHIN):
    got = []
    until = time.monotonic() + within
    while len(got) < count and time.monotonic() < until:
        for message in reader.consume(count - len(got), 0.5):
            if message.error():
                raise Wrong(f"consumer: {message.error()}")
            got.append(message)
    require(len(got) == count, f"{len(got)} of {count} records within {within} s")
    return got


def ends(name, partitions):
    found = done(admin.list_offsets({TopicPartition(name, number): OffsetSpec.latest() for number in range(partitions)}))
    return {where.partition: result.offset for where, result in found.items()}


def committed(group, name):
    found = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))[group]
    return {where.partition: where.offset for where in found.topic_partitions if where.topic == name}


@test("create-topics")
def create_topics():
    name = topic("create", 3, retention_ms="123456")
    refused(admin.create_topics([NewTopic(name, 1, 1)]), KafkaError.TOPIC_ALREADY_EXISTS)
    refused(admin.create_topics([NewTopic("no/slash", 1, 1)]), KafkaError.TOPIC_EXCEPTION)
    refused(admin.create_topics([NewTopic(f"{name}-2", 1, 5)]), KafkaError.INVALID_REPLICATION_FACTOR)
    refused(admin.create_topics([NewTopic(f"{name}-3", 0, 1)]), KafkaError.INVALID_PARTITIONS)
    done(admin.create_topics([NewTopic(f"{name}-4", 1, 1)], validate_only=True))
    require(f"{name}-4" not in admin.list_topics(timeout=WITHIN).topics, "validate_only makes a topic")


def there_and_back(codec):
    name = topic(codec)
    given = records(300, codec)
    produce(name, given, **{"compression.type": codec})
    reader = consumer(f"g-{name}")
    reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    got = read(reader, 300)
    reader.close()
    same([message.offset() for message in got], list(range(300)), "offsets")
    for message, (key, value, headers) in zip(got, given):
        same((message.key().decode(), message.value().decode(), message.headers()), (key, value, headers), "record")


for one in CODECS:
    test(f"produce-{one}")(lambda codec=one: there_and_back(codec))


class Member(threading.Thread):
    """A consumer that reads until it is told to leave, commits what it has read, and knows what it owns."""

    def __init__(self, group, name, **config):
        super().__init__(daemon=True)
        self.reader = consumer(group, **config)
        self.cooperative = "cooperative" in str(config)
        self.owned, self.values, self.kept, self.events = set(), [], True, []
        self.leaving = threading.Event()
        self.problem = None
        self.reader.subscribe([name], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.start()

    def on_assign(self, reader, partitions):
        self.events.append(("assign", sorted(one.partition for one in partitions)))
        if self.cooperative:
            self.owned |= {one.partition for one in partitions}
        else:
            self.owned = {one.partition for one in partitions}

    def on_revoke(self, reader, partitions):
        self.events.append(("revoke", sorted(one.partition for one in partitions)))
        self.owned -= {one.partition for one in partitions}

    def run(self):
        try:
            while not self.leaving.is_set():
                got = self.reader.consume(50, 0.2)
                for message in got:
                    if message.error():
                        raise Wrong(f"member: {message.error()}")
                    self.values.append(message.value().decode())
                if got:
                    try:
                        self.reader.commit(asynchronous=False)
                    except KafkaException as problem:
                        # Between two generations; what is not committed is read again.
                        if problem.args[0].code() not in (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION,
                                                          KafkaError.UNKNOWN_MEMBER_ID, KafkaError._NO_OFFSET):
                            raise
        except Exception as problem:  # told by the test
            self.problem = problem
        finally:
            self.reader.close()

    def leave(self):
        self.leaving.set()
        self.join(WITHIN)
        require(not self.is_alive(), "a member does not come to its end")


def shared(members, partitions):
    """Every partition has one owner, and every member has some."""
    owned = [number for member in members for number in member.owned]
    return sorted(owned) == list(range(partitions)) and all(member.owned for member in members)


def wait(holds, what, members=(), within=40):
    until = time.monotonic() + within
    while not holds():
        for member in members:
            if member.problem:
                raise member.problem
        if time.monotonic() > until:
            raise Wrong(f"not within {within} s: {what}; owned: {[sorted(member.owned) for member in members]}; "
                        f"read: {[len(member.values) for member in members]}")
        time.sleep(0.05)


def rebalance(tag, **config):
    name = topic(tag, 6)
    group = f"g-{name}"
    members = [Member(group, name, **config) for _ in range(3)]
    everyone = list(members)
    try:
        wait(lambda: shared(members, 6), "three share six partitions", members)
        before = [len(member.events) for member in members]
        produce(name, records(600, tag))
        wait(lambda: len({value for member in everyone for value in member.values}) == 600, "the first 600", members)
        members.pop(0).leave()
        wait(lambda: shared(members, 6), "two share six partitions", members)
        members.append(Member(group, name, **config))
        everyone.append(members[-1])
        wait(lambda: shared(members, 6), "two and a new one share six partitions", members)
        produce(name, records(600, tag, 600))
        expected = {value for _, value, _ in records(1200, tag)}
        wait(lambda: {value for member in everyone for value in member.values} == expected, "all 1200", members)
        wait(lambda: committed(group, name) == ends(name, 6), "committed offsets are the ends", members)
        if "cooperative" in tag:
            revoked = [event for member, first in zip(everyone[1:3], before[1:]) for event in member.events[first:]
                       if event[0] == "revoke"]
            require(all(len(event[1]) < 3 for event in revoked), f"whole assignments were revoked: {revoked}")
    finally:
        for member in members:
            member.leave()


@test("group-rebalance")
def group_rebalance():
    rebalance("eager", partition_assignment_strategy="range")


@test("group-cooperative")
def group_cooperative():
    rebalance("cooperative", partition_assignment_strategy="cooperative-sticky")


@test("group-static")
def group_static():
    name = topic("static", 4)
    group = f"g-{name}"
    config = {"session_timeout_ms": 15000}
    first = Member(group, name, group_instance_id="one", **config)
    second = Member(group, name, group_instance_id="two", **config)
    try:
        wait(lambda: shared([first, second], 4), "two share four partitions", [first, second])
        before, others = set(first.owned), set(second.owned)
        seen = len(second.events)
        first.leave()
        time.sleep(1)
        first = Member(group, name, group_instance_id="one", **config)
        wait(lambda: first.owned == before, "the one that came back has its partitions again", [first, second])
        same((second.owned, len(second.events)), (others, seen), "the other is not disturbed")
        produce(name, records(100, "static"))
        wait(lambda: len(set(first.values + second.values)) == 100, "all records", [first, second])
    finally:
        first.leave()
        second.leave()


@test("seek-offset")
def seek_offset():
    name = topic("seek")
    produce(name, records(100, "seek"))
    reader = consumer(f"g-{name}")
    reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    read(reader, 100)
    reader.seek(TopicPartition(name, 0, 42))
    same([message.offset() for message in read(reader, 58)], list(range(42, 100)), "offsets after the seek")
    reader.seek(TopicPartition(name, 0, 5000))
    same(read(reader, 1)[0].offset(), 0, "out of range: back to the earliest")
    same(reader.get_watermark_offsets(TopicPartition(name, 0), timeout=WITHIN), (0, 100), "watermarks")
    reader.close()


@test("seek-timestamp")
def seek_timestamp():
    name = topic("times")
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    start = int(time.time() * 1000) - 100_000
    for n in range(100):
        producer.produce(name, f"v{n}", timestamp=start + n * 1000)
    producer.flush(WITHIN)
    reader = consumer(f"g-{name}")
    for when, offset in ((start + 30_000, 30), (start + 30_001, 31), (start - 5, 0)):
        (found,) = reader.offsets_for_times([TopicPartition(name, 0, when)], timeout=WITHIN)
        same(found.offset, offset, f"the offset at {when - start} ms")
    (found,) = reader.offsets_for_times([TopicPartition(name, 0, start + 10**6)], timeout=WITHIN)
    same(found.offset, -1, "the offset after the end")
    reader.assign([TopicPartition(name, 0, 31)])
    same(read(reader, 1)[0].timestamp()[1], start + 31_000, "the timestamp of the record")
    reader.close()
    found = done(admin.list_offsets({TopicPartition(name, 0): OffsetSpec.max_timestamp()}))
    same([result.offset for result in found.values()], [99], "the offset of the newest")


@test("admin-topics")
def admin_topics():
    name = topic("admin", 2)
    require(name in admin.list_topics(timeout=WITHIN).topics, "the topic is listed")
    told_topic = done(admin.describe_topics(TopicCollection([name])))[name]
    same((told_topic.name, len(told_topic.partitions), told_topic.is_internal), (name, 2, False), "description")
    require(all(one.leader is not None and len(one.replicas) == len(one.isr) == 1 for one in told_topic.partitions),
            "every partition has a leader")
    done(admin.create_partitions([NewPartitions(name, 5)]))
    wait(lambda: len(admin.list_topics(name, timeout=WITHIN).topics[name].partitions) == 5, "five partitions")
    refused(admin.create_partitions([NewPartitions(name, 3)]), KafkaError.INVALID_PARTITIONS)
    done(admin.delete_topics([name]))
    wait(lambda: name not in admin.list_topics(timeout=WITHIN).topics, "the topic is gone")
    refused(admin.delete_topics([name]), KafkaError.UNKNOWN_TOPIC_OR_PART)
    cluster = admin.describe_cluster().result(WITHIN)
    require(cluster.cluster_id and len(cluster.nodes) == 1, f"cluster: {cluster.cluster_id}, {cluster.nodes}")


@test("admin-configs")
def admin_configs():
    name = topic("configs", retention_ms="100000")

    def told_configs():
        resource = ConfigResource(ResourceType.TOPIC, name)
        return {key: entry.value for key, entry in done(admin.describe_configs([resource]))[resource].items()}

    found = told_configs()
    same(found["retention.ms"], "100000", "retention.ms")
    for key in ("cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "segment.bytes"):
        require(key in found, f"{key} is not described")
    done(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", "200000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("max.message.bytes", "50000", incremental_operation=AlterConfigOpType.SET)])]))
    wait(lambda: told_configs()["retention.ms"] == "200000", "the altered value")
    same(told_configs()["max.message.bytes"], "50000", "max.message.bytes")
    done(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])]))
    wait(lambda: told_configs()["retention.ms"] == "604800000", "the default again")
    refused(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", "many", incremental_operation=AlterConfigOpType.SET)])]), KafkaError.INVALID_CONFIG)
    broker = next(iter(admin.list_topics(timeout=WITHIN).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    require("log.retention.ms" in done(admin.describe_configs([resource]))[resource], "broker configs are described")


@test("admin-groups")
def admin_groups():
    name = topic("groups", 2)
    group = f"g-{name}"
    member = Member(group, name, client_id="a-client")
    try:
        wait(lambda: member.owned == {0, 1}, "an assignment", [member])
        listed = admin.list_consumer_groups().result(WITHIN)
        require(not listed.errors, f"errors: {listed.errors}")
        found = [one for one in listed.valid if one.group_id == group]
        same([(one.state.name, one.is_simple_consumer_group) for one in found], [("STABLE", False)], "listed")
        told_group = done(admin.describe_consumer_groups([group]))[group]
        same((told_group.state.name, told_group.partition_assignor, len(told_group.members)), ("STABLE", "range", 1), "group")
        one = told_group.members[0]
        same((one.client_id, sorted(where.partition for where in one.assignment.topic_partitions)), ("a-client", [0, 1]),
             "member")
        require(one.host, "a member has a host")
        refused(admin.delete_consumer_groups([group]), KafkaError.NON_EMPTY_GROUP)
    finally:
        member.leave()
    wait(lambda: done(admin.describe_consumer_groups([group]))[group].state.name == "EMPTY", "the group is empty")
    done(admin.delete_consumer_groups([group]))
    require(group not in [one.group_id for one in admin.list_consumer_groups().result(WITHIN).valid], "the group is gone")
    refused(admin.delete_consumer_groups([group]), KafkaError.GROUP_ID_NOT_FOUND)


@test("admin-delete-records")
def admin_delete_records():
    name = topic("records")
    produce(name, records(100, "records"))
    found = done(admin.delete_records([TopicPartition(name, 0, 40)]))
    same([result.low_watermark for result in found.values()], [40], "low watermark")
    reader = consumer(f"g-{name}")
    same(reader.get_watermark_offsets(TopicPartition(name, 0), timeout=WITHIN), (40, 100), "watermarks")
    reader.assign([TopicPartition(name, 0, 0)])
    same(read(reader, 60)[0].offset(), 40, "the first record")
    reader.close()
    refused(admin.delete_records([TopicPartition(name, 0, 101)]), KafkaError.OFFSET_OUT_OF_RANGE)
    done(admin.delete_records([TopicPartition(name, 0, -1)]))
    found = done(admin.list_offsets({TopicPartition(name, 0): OffsetSpec.earliest()}))
    same([result.offset for result in found.values()], [100], "the first offset")


@test("admin-offsets")
def admin_offsets():
    name = topic("commits", 2)
    group = f"g-{name}"
    produce(name, records(100, "commits"))
    reader = consumer(group)
    told_back = reader.commit(offsets=[TopicPartition(name, 0, 7, "a note", 0), TopicPartition(name, 1, 3)],
                              asynchronous=False)
    require(all(one.error is None for one in told_back), f"commit: {told_back}")
    found = reader.committed([TopicPartition(name, 0), TopicPartition(name, 1), TopicPartition(name, 9)], timeout=WITHIN)
    same([(one.offset, one.metadata) for one in found], [(7, "a note"), (3, None), (-1001, None)], "committed")
    reader.close()
    same(committed(group, name), {0: 7, 1: 3}, "offsets of the group")
    done(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 20)])]))
    same(committed(group, name), {0: 20, 1: 3}, "offsets after altering one")
    member = Member(group, name)
    try:
        wait(lambda: member.owned == {0, 1}, "an assignment", [member])
        future = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 1)])])[group]
        try:
            result = future.result(WITHIN)
            require(any(one.error for one in result.topic_partitions), "the offsets of a group with members are altered")
        except KafkaException:
            pass
    finally:
        member.leave()
    unknown = f"nobody-{uuid.uuid4()}"
    same(committed(unknown, name), {}, "offsets of a group that is not there")


for name, body in wanted():
    try:
        body()
        told(name, None)
    except Exception as problem:
        told(name, problem)
print("end", flush=True)

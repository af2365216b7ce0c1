"""The scenario with aiokafka; `../scenario.py` says what each test is.

aiokafka has no cooperative assignor, and its admin client neither deletes groups nor alters their offsets: offsets are
altered by a consumer that commits without being a member.
"""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IllegalGenerationError, KafkaError, OffsetOutOfRangeError, RebalanceInProgressError, \
    UnknownMemberIdError

from scenario import BOOTSTRAP, CODECS, RUN, Wrong, records, require, same, test, told, wanted

WITHIN = 20
TOPIC_EXISTS, INVALID_TOPIC, UNKNOWN_TOPIC, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG = 36, 17, 3, 37, 38, 40


class World:
    """The admin client, which every test shares."""

    admin = None


def codes(answer):
    """The error codes of a CreateTopics or DeleteTopics answer."""
    return [error[1] for error in (answer.topic_errors if hasattr(answer, "topic_errors") else answer.topic_error_codes)]


async def until(holds, what, members=(), within=40):
    end = time.monotonic() + within
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        for member in members:
            if member.task.done():
                member.task.result()
        if time.monotonic() > end:
            raise Wrong(f"not within {within} s: {what}; owned: {[sorted(member.owned) for member in members]}; "
                        f"read: {[len(member.values) for member in members]}")
        await asyncio.sleep(0.05)


async def described(name):
    return (await World.admin.describe_topics([name]))[0]


async def topic(tag, partitions=1, **config):
    name = f"aiokafka-{tag}-{RUN}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    same(codes(await World.admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])), [0], "create")

    async def there():
        found = await described(name)
        return found["error_code"] == 0 and len(found["partitions"]) == partitions
    await until(there, "the new topic")
    return name


async def produce(name, given, **config):
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", enable_idempotence=True, **config) as producer:
        sent = [await producer.send(name, value.encode(), key.encode(), headers=headers) for key, value, headers in given]
        await asyncio.wait_for(asyncio.gather(*sent), WITHIN)


def consumer(*names, group=None, **config):
    return AIOKafkaConsumer(*names, bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False,
                            auto_offset_reset=config.pop("auto_offset_reset", "earliest"), session_timeout_ms=6000,
                            heartbeat_interval_ms=500, **config)


async def read(reader, count):
    got = []
    end = time.monotonic() + WITHIN
    while len(got) < count and time.monotonic() < end:
        for part in (await reader.getmany(timeout_ms=500, max_records=count - len(got))).values():
            got += part
    require(len(got) == count, f"{len(got)} of {count} records within {WITHIN} s")
    return got


@test("create-topics")
async def create_topics():
    name = await topic("create", 3, retention_ms="123456")
    for expected, new in ((TOPIC_EXISTS, NewTopic(name, 1, 1)), (INVALID_TOPIC, NewTopic("no/slash", 1, 1)),
                          (INVALID_REPLICATION, NewTopic(f"{name}-2", 1, 5)), (INVALID_PARTITIONS, NewTopic(f"{name}-3", 0, 1))):
        same(codes(await World.admin.create_topics([new])), [expected], f"error code for {new.name}")
    same(codes(await World.admin.create_topics([NewTopic(f"{name}-4", 1, 1)], validate_only=True)), [0], "validate only")
    require(f"{name}-4" not in await World.admin.list_topics(), "validate_only makes a topic")


async def there_and_back(codec):
    name = await topic(codec)
    given = records(300, codec)
    await produce(name, given, compression_type=None if codec == "none" else codec)
    reader = consumer()
    reader.assign([TopicPartition(name, 0)])
    await reader.start()
    try:
        got = await read(reader, 300)
        same([one.offset for one in got], list(range(300)), "offsets")
        for one, (key, value, headers) in zip(got, given):
            same((one.key.decode(), one.value.decode(), list(one.headers)), (key, value, headers), "record")
    finally:
        await reader.stop()


for one in CODECS:
    test(f"produce-{one}")(lambda codec=one: there_and_back(codec))


class Member(ConsumerRebalanceListener):
    """A consumer that reads until it is told to leave, commits what it has read, and knows what it owns."""

    def __init__(self, group, name, **config):
        self.name = name
        self.reader = consumer(group=group, **config)
        self.owned, self.values, self.events = set(), [], []
        self.leaving = False
        self.reader.subscribe([name], listener=self)
        self.task = asyncio.create_task(self.run())

    async def on_partitions_revoked(self, revoked):
        self.owned -= {one.partition for one in revoked}

    async def on_partitions_assigned(self, assigned):
        self.events.append(sorted(one.partition for one in assigned))
        self.owned = {one.partition for one in assigned}

    async def run(self):
        await self.reader.start()
        try:
            while not self.leaving:
                got = [one for part in (await self.reader.getmany(timeout_ms=200)).values() for one in part]
                self.values += [one.value.decode() for one in got]
                if got:
                    try:
                        await self.reader.commit()
                    except (RebalanceInProgressError, IllegalGenerationError, UnknownMemberIdError) as problem:
                        print(f"not committed: {problem!r}", flush=True)
                    except KafkaError as problem:
                        # Its CommitFailedError: between two generations; what is not committed is read again.
                        if type(problem).__name__ != "CommitFailedError":
                            raise
        finally:
            await self.reader.stop()

    async def leave(self):
        self.leaving = True
        await asyncio.wait_for(self.task, WITHIN)


def shared(members, partitions):
    owned = [number for member in members for number in member.owned]
    return sorted(owned) == list(range(partitions)) and all(member.owned for member in members)


async def committed(group, name):
    found = await World.admin.list_consumer_group_offsets(group)
    return {where.partition: one.offset for where, one in found.items() if where.topic == name}


async def ends(name, partitions):
    reader = consumer()
    await reader.start()
    try:
        found = await reader.end_offsets([TopicPartition(name, number) for number in range(partitions)])
        return {where.partition: offset for where, offset in found.items()}
    finally:
        await reader.stop()


@test("group-rebalance")
async def group_rebalance():
    name = await topic("rebalance", 6)
    group = f"g-{name}"
    members = [Member(group, name) for _ in range(3)]
    everyone = list(members)
    try:
        await until(lambda: shared(members, 6), "three share six partitions", members)
        await produce(name, records(600, "r"))
        await until(lambda: len({value for one in everyone for value in one.values}) == 600, "the first 600", members)
        await members.pop(0).leave()
        await until(lambda: shared(members, 6), "two share six partitions", members)
        members.append(Member(group, name))
        everyone.append(members[-1])
        await until(lambda: shared(members, 6), "two and a new one share six partitions", members)
        await produce(name, records(600, "r", 600))
        expected = {value for _, value, _ in records(1200, "r")}
        await until(lambda: {value for one in everyone for value in one.values} == expected, "all 1200", members)

        async def all_committed():
            return await committed(group, name) == await ends(name, 6)
        await until(all_committed, "committed offsets are the ends", members)
    finally:
        for member in members:
            await member.leave()


@test("group-static")
async def group_static():
    name = await topic("static", 4)
    group = f"g-{name}"
    first = Member(group, name, group_instance_id="one")
    second = Member(group, name, group_instance_id="two")
    try:
        await until(lambda: shared([first, second], 4), "two share four partitions", [first, second])
        before, others, seen = set(first.owned), set(second.owned), len(second.events)
        await first.leave()
        await asyncio.sleep(1)
        first = Member(group, name, group_instance_id="one")
        await until(lambda: first.owned == before, "the one that came back has its partitions again", [first, second])
        same((second.owned, len(second.events)), (others, seen), "the other is not disturbed")
        await produce(name, records(100, "static"))
        await until(lambda: len(set(first.values + second.values)) == 100, "all records", [first, second])
    finally:
        await first.leave()
        await second.leave()


@test("seek-offset")
async def seek_offset():
    name = await topic("seek")
    await produce(name, records(100, "seek"))
    reader = consumer()
    where = TopicPartition(name, 0)
    reader.assign([where])
    await reader.start()
    try:
        await read(reader, 100)
        reader.seek(where, 42)
        same([one.offset for one in await read(reader, 58)], list(range(42, 100)), "offsets after the seek")
        reader.seek(where, 5000)
        same((await read(reader, 1))[0].offset, 0, "out of range: back to the earliest")
        same((await reader.beginning_offsets([where]), await reader.end_offsets([where])), ({where: 0}, {where: 100}), "ends")
        await reader.seek_to_end(where)
        same(await reader.position(where), 100, "position at the end")
    finally:
        await reader.stop()
    strict = consumer(auto_offset_reset="none")
    strict.assign([where])
    await strict.start()
    try:
        strict.seek(where, 5000)
        await asyncio.wait_for(strict.getone(), WITHIN)
        raise Wrong("an offset out of range is read")
    except OffsetOutOfRangeError:
        pass
    finally:
        await strict.stop()


@test("seek-timestamp")
async def seek_timestamp():
    name = await topic("times")
    where = TopicPartition(name, 0)
    start = int(time.time() * 1000) - 100_000
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer:
        for n in range(100):
            await producer.send(name, f"v{n}".encode(), timestamp_ms=start + n * 1000)
    reader = consumer()
    reader.assign([where])
    await reader.start()
    try:
        for when, offset in ((start + 30_000, 30), (start + 30_001, 31), (start - 5, 0)):
            same((await reader.offsets_for_times({where: when}))[where].offset, offset, f"the offset at {when - start} ms")
        same((await reader.offsets_for_times({where: start + 10**6}))[where], None, "the offset after the end")
        reader.seek(where, 31)
        same((await read(reader, 1))[0].timestamp, start + 31_000, "the timestamp of the record")
    finally:
        await reader.stop()


@test("admin-topics")
async def admin_topics():
    name = await topic("admin", 2)
    require(name in await World.admin.list_topics(), "the topic is listed")
    found = await described(name)
    same((found["topic"], found["is_internal"], [len(one["replicas"]) for one in found["partitions"]]), (name, False, [1, 1]),
         "description")
    await World.admin.create_partitions({name: NewPartitions(5)})

    async def five():
        return len((await described(name))["partitions"]) == 5
    await until(five, "five partitions")
    same(codes(await World.admin.delete_topics([name])), [0], "delete")

    async def gone():
        return name not in await World.admin.list_topics()
    await until(gone, "the topic is gone")
    same(codes(await World.admin.delete_topics([name])), [UNKNOWN_TOPIC], "delete once more")
    cluster = await World.admin.describe_cluster()
    require(cluster["cluster_id"] and len(cluster["brokers"]) == 1, f"cluster: {cluster}")


@test("admin-configs")
async def admin_configs():
    name = await topic("configs", retention_ms="100000")

    async def configs():
        (answer,) = await World.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        same(answer.resources[0][0], 0, "error code")
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}

    found = await configs()
    same(found["retention.ms"], "100000", "retention.ms")
    for key in ("cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "segment.bytes"):
        require(key in found, f"{key} is not described")
    # AlterConfigs: what is not named goes back to its default.
    (answer,) = await World.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "50000"})])
    same(answer.resources[0][0], 0, "error code of alter")

    async def altered():
        found = await configs()
        return (found["max.message.bytes"], found["retention.ms"]) == ("50000", "604800000")
    await until(altered, "the altered configs")
    (answer,) = await World.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "many"})])
    same(answer.resources[0][0], INVALID_CONFIG, "error code of an illegal value")


@test("admin-groups")
async def admin_groups():
    name = await topic("groups", 2)
    group = f"g-{name}"
    member = Member(group, name, client_id="a-client")

    async def state():
        (answer,) = await World.admin.describe_consumer_groups([group])
        return answer.groups[0]
    try:
        await until(lambda: member.owned == {0, 1}, "an assignment", [member])
        require((group, "consumer") in [tuple(one[:2]) for one in await World.admin.list_consumer_groups()], "listed")
        found = await state()
        same((found[0], found[1], found[2], found[3], len(found[5])), (0, group, "Stable", "consumer", 1), "described")
        same(found[5][0][1 if len(found[5][0]) < 6 else 2], "a-client", "client id of the member")
    finally:
        await member.leave()

    async def empty():
        return (await state())[2] == "Empty"
    await until(empty, "the group is empty")


@test("admin-delete-records")
async def admin_delete_records():
    name = await topic("records")
    where = TopicPartition(name, 0)
    await produce(name, records(100, "records"))
    same(await World.admin.delete_records({where: RecordsToDelete(40)}), {where: 40}, "low watermark")
    reader = consumer()
    reader.assign([where])
    await reader.start()
    try:
        same(await reader.beginning_offsets([where]), {where: 40}, "the first offset")
        reader.seek(where, 0)
        same((await read(reader, 60))[0].offset, 40, "the first record")
    finally:
        await reader.stop()
    try:
        await World.admin.delete_records({where: RecordsToDelete(101)})
        raise Wrong("records beyond the end are deleted")
    except OffsetOutOfRangeError:
        pass


@test("admin-offsets")
async def admin_offsets():
    name = await topic("commits", 2)
    group = f"g-{name}"
    first, second = TopicPartition(name, 0), TopicPartition(name, 1)
    reader = consumer(group=group)
    reader.assign([first, second])
    await reader.start()
    try:
        await reader.commit({first: OffsetAndMetadata(7, "a note"), second: OffsetAndMetadata(3, "")})
        same(await World.admin.list_consumer_group_offsets(group),
             {first: OffsetAndMetadata(7, "a note"), second: OffsetAndMetadata(3, "")}, "offsets of the group")
        await reader.commit({first: OffsetAndMetadata(20, "")})
        same(await reader.committed(first), 20, "committed")
        same(await committed(group, name), {0: 20, 1: 3}, "offsets after altering one")
        found = await World.admin.list_consumer_group_offsets(group, partitions=[TopicPartition(name, 1)])
        same(found, {second: OffsetAndMetadata(3, "")}, "offsets of one partition")
    finally:
        await reader.stop()
    same(await World.admin.list_consumer_group_offsets(f"nobody-{RUN}"), {}, "offsets of a group that is not there")


async def main():
    World.admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await World.admin.start()
    for name, body in wanted():
        try:
            await asyncio.wait_for(body(), 150)
            told(name, None)
        except Exception as problem:
            told(name, problem)
    await World.admin.close()
    print("end", flush=True)


asyncio.run(main())

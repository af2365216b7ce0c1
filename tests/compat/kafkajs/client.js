// The scenario with KafkaJS; ../scenario.py says what each test is. It knows neither static members nor the cooperative
// protocol, and resets offsets instead of altering them.
"use strict";

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require("kafkajs");
const SnappyCodec = require("kafkajs-snappy");
const lz4 = require("lz4-napi");
const { ZstdCodec } = require("zstd-codec");

const RUN = `${process.pid}-${Math.floor(Date.now() / 1000)}`;
const WITHIN = 40000;
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD };
const EXISTS = 36, INVALID_TOPIC = 17, INVALID_REPLICATION = 38, INVALID_PARTITIONS = 37, INVALID_CONFIG = 40,
  NON_EMPTY_GROUP = 68, GROUP_ID_NOT_FOUND = 69, UNKNOWN_TOPIC = 3;

// What KafkaJS logs of an error that it handles by itself belongs into the log.
const kafka = new Kafka({ clientId: "a-client", brokers: [process.env.BOOTSTRAP], logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 100, retries: 8 } });
const admin = kafka.admin();

class Wrong extends Error {}

function same(found, expected, what) {
  const [f, e] = [JSON.stringify(found), JSON.stringify(expected)];
  if (f !== e) throw new Wrong(`${what}: ${String(f).slice(0, 200)} instead of ${String(e).slice(0, 200)}`);
}

function require_(holds, what) {
  if (!holds) throw new Wrong(what);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(holds, what, state = () => "") {
  for (const end = Date.now() + WITHIN; !(await holds()); await sleep(50)) {
    if (Date.now() > end) throw new Wrong(`not within ${WITHIN} ms: ${what} ${state()}`);
  }
}

// The error code with which a call is refused.
async function refused(call, code, what) {
  try {
    await call;
  } catch (problem) {
    const inner = problem.errors?.[0] ?? problem;
    const found = inner.code ?? inner.groups?.[0]?.errorCode ?? inner.cause?.code;
    same(found, code, `${what}, refused with (${inner.message})`);
    return;
  }
  throw new Wrong(`${what} is not refused`);
}

async function topic(tag, partitions = 1, configs = {}) {
  const name = `kafkajs-${tag}-${RUN}`;
  const configEntries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  same(await admin.createTopics({ topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1, configEntries }] }), true,
    "create");
  return name;
}

function records(count, tag, first = 0) {
  return Array.from({ length: count }, (_, n) => ({ key: `key-${(n + first) % 50}`,
    value: `${tag} value ${n + first} ${"xyz".repeat(20)}`, headers: { trace: String(n + first), empty: "" } }));
}

async function produce(name, messages, compression = CompressionTypes.None) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  try {
    await producer.send({ topic: name, messages, compression, acks: -1 });
  } finally {
    await producer.disconnect();
  }
}

// A member that reads, commits what it has read, and knows what it owns.
class Member {
  constructor(group, name) {
    this.name = name;
    this.owned = [];
    this.got = [];
    this.consumer = kafka.consumer({ groupId: group, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000,
      maxWaitTimeInMs: 200 });
    this.consumer.on("consumer.group_join", (event) => { this.owned = [...(event.payload.memberAssignment[name] ?? [])]; });
    this.consumer.on("consumer.rebalancing", () => { this.owned = []; });
    this.consumer.on("consumer.crash", (event) => { this.crash = event.payload.error; });
  }

  async start() {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.name], fromBeginning: true });
    await this.consumer.run({ autoCommitThreshold: 1, autoCommitInterval: 100, eachMessage: async ({ partition, message }) => {
      this.got.push({ partition, offset: Number(message.offset), key: message.key?.toString(), value: message.value?.toString(),
        headers: message.headers, timestamp: Number(message.timestamp) });
    } });
    return this;
  }

  async leave() {
    await this.consumer.disconnect();
    this.owned = [];
  }
}

const shared = (members, partitions) => {
  const crashed = members.find((one) => one.crash);
  if (crashed) throw crashed.crash;
  const all = members.flatMap((one) => one.owned).sort();
  return members.every((one) => one.owned.length > 0) && JSON.stringify(all) === JSON.stringify([...Array(partitions).keys()]);
};
const distinct = (members) => new Set(members.flatMap((one) => one.got.map((record) => record.value))).size;
const state = (members) => () => JSON.stringify(members.map((one) => one.owned));

async function committed(group, name) {
  const found = (await admin.fetchOffsets({ groupId: group, topics: [name] }))[0].partitions;
  return Object.fromEntries(found.map((one) => [one.partition, one.offset]).sort());
}

async function ends(name) {
  return Object.fromEntries((await admin.fetchTopicOffsets(name)).map((one) => [one.partition, one.high]).sort());
}

async function createTopics() {
  const name = await topic("create", 3, { "retention.ms": "123456" });
  same(await admin.createTopics({ topics: [{ topic: name }] }), false, "one that exists");
  const create = (more) => admin.createTopics({ topics: [{ numPartitions: 1, replicationFactor: 1, ...more }] });
  await refused(create({ topic: "no/slash" }), INVALID_TOPIC, "an illegal name");
  await refused(create({ topic: `${name}-2`, replicationFactor: 5 }), INVALID_REPLICATION, "too many replicas");
  await refused(create({ topic: `${name}-3`, numPartitions: 0 }), INVALID_PARTITIONS, "no partitions");
  await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics: [{ topic: `${name}-4`, numPartitions: 1, replicationFactor: 1 }] });
  require_(!(await admin.listTopics()).includes(`${name}-4`), "validateOnly makes a topic");
}

async function thereAndBack(codec) {
  const name = await topic(codec);
  const given = records(300, codec);
  await produce(name, given, CODECS[codec]);
  const reader = await new Member(`g-${name}`, name).start();
  try {
    await until(() => reader.got.length >= 300, "300 records", () => `read ${reader.got.length}`);
    reader.got.forEach((one, n) => {
      const headers = Object.fromEntries(Object.entries(one.headers).map(([key, value]) => [key, value.toString()]));
      same([one.offset, one.key, one.value, headers], [n, given[n].key, given[n].value, given[n].headers], "record");
    });
  } finally {
    await reader.leave();
  }
}

async function groupRebalance() {
  const name = await topic("rebalance", 6);
  const group = `g-${name}`;
  let members = await Promise.all([1, 2, 3].map(() => new Member(group, name).start()));
  const everyone = [...members];
  try {
    await until(() => shared(members, 6), "three share six partitions", state(members));
    await produce(name, records(600, "r"));
    await until(() => distinct(everyone) === 600, "the first 600", () => distinct(everyone));
    await members.shift().leave();
    await until(() => shared(members, 6), "two share six partitions", state(members));
    members.push(await new Member(group, name).start());
    everyone.push(members[2]);
    await until(() => shared(members, 6), "two and a new one share six partitions", state(members));
    await produce(name, records(600, "r", 600));
    await until(() => distinct(everyone) === 1200, "all 1200", () => distinct(everyone));
    await until(async () => JSON.stringify(await committed(group, name)) === JSON.stringify(await ends(name)),
      "committed offsets are the ends");
  } finally {
    await Promise.all(members.map((one) => one.leave()));
  }
}

async function seekOffset() {
  const name = await topic("seek");
  await produce(name, records(100, "seek"));
  const reader = await new Member(`g-${name}`, name).start();
  try {
    await until(() => reader.got.length === 100, "100 records", () => `read ${reader.got.length}`);
    reader.got.length = 0;
    reader.consumer.seek({ topic: name, partition: 0, offset: "42" });
    await until(() => reader.got.length === 58, "58 records after the seek", () => `read ${reader.got.length}`);
    same(reader.got[0].offset, 42, "the first offset after the seek");
  } finally {
    await reader.leave();
  }
}

async function seekTimestamp() {
  const name = await topic("times");
  const start = Date.now() - 100000;
  await produce(name, Array.from({ length: 100 }, (_, n) => ({ value: `v${n}`, timestamp: String(start + n * 1000) })));
  for (const [ms, offset] of [[30000, "30"], [30001, "31"], [-5, "0"]]) {
    same((await admin.fetchTopicOffsetsByTimestamp(name, start + ms))[0].offset, offset, `the offset at ${ms} ms`);
  }
  const reader = await new Member(`g-${name}`, name).start();
  try {
    await until(() => reader.got.length === 100, "100 records", () => `read ${reader.got.length}`);
    same(reader.got[31].timestamp, start + 31000, "the timestamp of a record");
  } finally {
    await reader.leave();
  }
}

async function adminTopics() {
  const name = await topic("admin", 2);
  require_((await admin.listTopics()).includes(name), "the topic is listed");
  const partitions = async () => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions;
  same((await partitions()).map((one) => [one.replicas.length, one.isr.length]), [[1, 1], [1, 1]], "description");
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] });
  await until(async () => (await partitions()).length === 5, "five partitions");
  await refused(admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] }), INVALID_PARTITIONS, "fewer partitions");
  await admin.deleteTopics({ topics: [name] });
  await until(async () => !(await admin.listTopics()).includes(name), "the topic is gone");
  await refused(admin.deleteTopics({ topics: [name] }), UNKNOWN_TOPIC, "delete once more");
  const cluster = await admin.describeCluster();
  same([cluster.brokers.length, cluster.clusterId.length], [1, 22], "cluster");
}

async function adminConfigs() {
  const name = await topic("configs", 1, { "retention.ms": "100000" });
  const resource = { type: ConfigResourceTypes.TOPIC, name };
  const configs = async () => {
    const found = await admin.describeConfigs({ includeSynonyms: true, resources: [resource] });
    return Object.fromEntries(found.resources[0].configEntries.map((one) => [one.configName, one.configValue]));
  };
  const found = await configs();
  same(found["retention.ms"], "100000", "retention.ms");
  for (const key of ["cleanup.policy", "compression.type", "max.message.bytes", "min.insync.replicas", "segment.bytes"]) {
    require_(key in found, `${key} is not described`);
  }
  // AlterConfigs: what is not named goes back to its default.
  const alter = (key, value) => admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: key, value }] }] });
  await alter("max.message.bytes", "50000");
  await until(async () => {
    const now = await configs();
    return now["max.message.bytes"] === "50000" && now["retention.ms"] === "604800000";
  }, "the altered configs");
  await refused(alter("retention.ms", "many"), INVALID_CONFIG, "an illegal value");
}

async function adminGroups() {
  const name = await topic("groups", 2);
  const group = `g-${name}`;
  const member = await new Member(group, name).start();
  const described = async () => (await admin.describeGroups([group])).groups[0];
  try {
    await until(() => shared([member], 2), "an assignment");
    const listed = (await admin.listGroups()).groups.find((one) => one.groupId === group);
    same(listed, { groupId: group, protocolType: "consumer" }, "listed");
    const found = await described();
    same([found.errorCode, found.state, found.protocol, found.members.map((one) => one.clientId)],
      [0, "Stable", "RoundRobinAssigner", ["a-client"]], "described");
    await refused(admin.deleteGroups([group]), NON_EMPTY_GROUP, "delete a group with members");
  } finally {
    await member.leave();
  }
  await until(async () => (await described()).state === "Empty", "the group is empty");
  await admin.deleteGroups([group]);
  require_(!(await admin.listGroups()).groups.some((one) => one.groupId === group), "the group is gone");
  await refused(admin.deleteGroups([group]), GROUP_ID_NOT_FOUND, "delete once more");
}

async function adminDeleteRecords() {
  const name = await topic("records");
  await produce(name, records(100, "records"));
  // KafkaJS deletes only where it has asked for the leaders before.
  same((await admin.fetchTopicOffsets(name)).map((one) => [one.low, one.high]), [["0", "100"]], "low and high before");
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: "40" }] });
  same((await admin.fetchTopicOffsets(name)).map((one) => [one.low, one.high]), [["40", "100"]], "low and high");
  const reader = await new Member(`g-${name}`, name).start();
  try {
    await until(() => reader.got.length === 60, "60 records", () => `read ${reader.got.length}`);
    same(reader.got[0].offset, 40, "the first record");
  } finally {
    await reader.leave();
  }
}

async function adminOffsets() {
  const name = await topic("commits", 2);
  const group = `g-${name}`;
  await produce(name, records(100, "commits"));
  const set = (...partitions) => admin.setOffsets({ groupId: group, topic: name, partitions });
  await set({ partition: 0, offset: "7" }, { partition: 1, offset: "3" });
  same(await committed(group, name), { 0: "7", 1: "3" }, "offsets of the group");
  await set({ partition: 0, offset: "20" });
  same(await committed(group, name), { 0: "20", 1: "3" }, "offsets after altering one");
  await admin.resetOffsets({ groupId: group, topic: name, earliest: true });
  same(await committed(group, name), { 0: "-2", 1: "-2" }, "offsets after the reset");
  same(await committed(`nobody-${RUN}`, name), { 0: "-1", 1: "-1" }, "offsets of a group that is not there");
}

const TESTS = [["create-topics", createTopics],
  ...Object.keys(CODECS).map((codec) => [`produce-${codec}`, () => thereAndBack(codec)]),
  ["group-rebalance", groupRebalance], ["seek-offset", seekOffset], ["seek-timestamp", seekTimestamp],
  ["admin-topics", adminTopics], ["admin-configs", adminConfigs], ["admin-groups", adminGroups],
  ["admin-delete-records", adminDeleteRecords], ["admin-offsets", adminOffsets]];

const listed = (name, globs) => globs.some((glob) => new RegExp(`^${glob.replace(/[.+?^${}()|\\]/g, "\\$&").replace(/\*/g, ".*")}$`)
  .test(name));

async function main() {
  CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ compress: (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: (buffer) => lz4.decompressFrame(buffer) });
  const zstd = await new Promise((done) => ZstdCodec.run((codec) => done(new codec.Simple())));
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)) });
  await admin.connect();
  const words = (variable) => (process.env[variable] ?? "").split(" ").filter(Boolean);
  const [skip, only] = [words("SKIP"), words("ONLY")];
  for (const [name, body] of TESTS) {
    if (listed(name, skip) || (only.length && !listed(name, only))) continue;
    try {
      await body();
      console.log(`pass ${name}`);
    } catch (problem) {
      console.log(problem.stack);
      console.log(`fail ${name}: ${problem instanceof Wrong ? "" : `${problem.name}: `}${problem.message}`.replace(/\s+/g, " ").slice(0, 600));
    }
  }
  await admin.disconnect();
  console.log("end");
}

main().then(() => process.exit(0), (problem) => { console.log(problem.stack); process.exit(1); });

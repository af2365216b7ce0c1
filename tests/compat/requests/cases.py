"""What is asked, in order; what of an answer counts; and where ours differs on purpose."""

NOBODY = "00000000-0000-0000-0000-000000000000"
STRANGER = "00000000-0000-0000-0000-0000000000aa"


class Case:
    """A request. `differs` says why ours is another answer, `ours` holds what it must have then. `keep` names what later
    requests take from the answer: "$session", "$id of TOPIC"."""

    def __init__(self, api, version, value, differs=None, ours=None, settle=0):
        self.api, self.version, self.value = api, version, value
        self.differs, self.ours, self.settle = differs, ours, settle


# Fields that depend on the machine, the moment or the run.
VOLATILE = {"clusterId", "port", "totalBytes", "usableBytes", "lastFetchTimestamp", "lastCaughtUpTimestamp",
            "highWatermark of quorum", "logEndOffset", "leaderEpoch of quorum", "throttleTimeMs"}
# Lists whose order is Kafka's accident, by the field that orders them here.
ORDER = {"topics": ("name", "topicName", "topicId", "topic"), "partitions": ("partitionIndex",), "results": ("user", "topicName", "logDir"),
         "configResources": ("resourceType", "resourceName"), "replicaElectionResults": ("topic",), "apiKeys": ("apiKey",),
         "responses": ("name", "topicId", "topic")}


def plain(case, answer, side):
    """An answer without what differs from run to run; keeps what later requests need."""
    if isinstance(answer, str):
        return answer
    keep(answer, side.kept)
    names = {id: f"id of {name}" for name, id in side.kept.items() if name not in ("session",)}
    return walked(case, answer, names, None)


def keep(answer, kept):
    if answer.get("sessionId"):
        kept["session"] = answer["sessionId"]
    for topic in answer.get("topics") or []:
        if topic.get("topicId", NOBODY) not in (NOBODY, STRANGER) and topic.get("name"):
            kept[topic["name"]] = topic["topicId"]
    for result in answer.get("results") or []:
        if result.get("logDir"):
            kept["dir"] = result["logDir"]


def filled(value, kept):
    """A request with what earlier answers gave: "$session", "$ta" for the id of topic ta, "$dir"."""
    if isinstance(value, dict):
        return {key: filled(item, kept) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, kept) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        return kept[value[1:]]
    return value


def walked(case, node, names, field):
    if isinstance(node, dict):
        return {key: walked(case, item, names, key) for key, item in node.items() if not volatile(case, key)}
    if isinstance(node, list):
        items = [walked(case, item, names, None) for item in node]
        return sorted(items, key=str) if field in ORDER else items
    if field == "sessionId":
        return "some" if node else 0
    if field == "logDir":
        return "dir"
    if isinstance(node, bytes):
        return node.hex()
    return names.get(node, node) if isinstance(node, str) else node


def volatile(case, key):
    quorum = case.api == "DescribeQuorum"
    return key in VOLATILE or quorum and f"{key} of quorum" in VOLATILE


def lacking(wanted, given):
    """The first thing of `wanted` that `given` has not; dictionaries may have more."""
    if isinstance(wanted, dict):
        if not isinstance(given, dict):
            return wanted
        return next((f"{key}: {wrong}" for key in wanted for wrong in [lacking(wanted[key], given.get(key))] if wrong), None)
    if isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        return next((wrong for pair in zip(wanted, given) for wrong in [lacking(*pair)] if wrong), None)
    return None if wanted == given else f"{wanted!r} is {given!r}"


def named(*names):
    return [{"name": name, "topicId": NOBODY} for name in names]


def by_id(*ids):
    return [{"name": None, "topicId": id} for id in ids]


ALL = []


def ask(api, version, value, **more):
    ALL.append(Case(api, version, value, **more))


# Topics and their ids.
ask("CreateTopics", 7, {"topics": [
    {"name": name, "numPartitions": count, "replicationFactor": 1, "assignments": [], "configs": []}
    for name, count in (("ta", 3), ("tb", 2), ("tc", 1))], "timeoutMs": 9000},
    differs="one row for each topic; configs are compared by the Java tools", settle=2,
    ours={"topics": [{"name": name, "errorCode": 0, "errorMessage": None} for name in ("ta", "tb", "tc")]})
for version in range(14):
    ask("Metadata", version, {"topics": [{"name": "ta"}, {"name": "nix"}],
                              **({"allowAutoTopicCreation": False} if version >= 4 else {})} if version >= 4
        else {"topics": [{"name": "ta"}]})
ask("Metadata", 8, {"topics": [{"name": "ta"}], "includeClusterAuthorizedOperations": True,
                    "includeTopicAuthorizedOperations": True})
for version in (12, 13):
    ask("Metadata", version, {"topics": by_id("$ta", STRANGER) + named("tb"), "allowAutoTopicCreation": False})
    ask("Metadata", version, {"topics": by_id(STRANGER), "allowAutoTopicCreation": True})
    ask("Metadata", version, {"topics": named("ta", "ta") + by_id("$ta", "$ta"), "allowAutoTopicCreation": False})
    ask("Metadata", version, {"topics": [{"name": "tb", "topicId": "$ta"}], "allowAutoTopicCreation": False})
ask("Metadata", 12, {"topics": by_id(NOBODY), "allowAutoTopicCreation": False},
    differs="Kafka fails with UNKNOWN_SERVER_ERROR", ours={"topics": [{"errorCode": 42, "name": ""}]})
ask("Metadata", 13, {"topics": None})
ask("Metadata", 9, {"topics": [{"name": "ta"}, {"name": "ta"}], "allowAutoTopicCreation": False})
for version in (10, 11):
    ask("Metadata", version, {"topics": by_id("$ta") + named("tb"), "allowAutoTopicCreation": False})
    ask("Metadata", version, {"topics": [{"name": "ta", "topicId": "$ta"}], "allowAutoTopicCreation": False})
    ask("Metadata", version, {"topics": named("ta"), "allowAutoTopicCreation": False})

# Offsets by the names of places.
for timestamp in (-1, -2, -3, -4, -5, -6, -7, -100, 0, 5):
    for version in range(1, 12):
        ask("ListOffsets", version, {"replicaId": -1, "topics": [
            {"name": "ta", "partitions": [{"partitionIndex": 0, "timestamp": timestamp}]}]})
ask("ListOffsets", 11, {"replicaId": -1, "timeoutMs": 2000, "topics": [
    {"name": "nix", "partitions": [{"partitionIndex": 0, "timestamp": -1}]},
    {"name": "ta", "partitions": [{"partitionIndex": 9, "timestamp": -1}]}]})


# Fetch: sessions, ids, epochs.
def fetched(topic, *partitions, offset=0, current=-1, last=-1, version=12):
    def place(number):
        row = {"partition": number, "fetchOffset": offset, "partitionMaxBytes": 100000}
        if version >= 9:
            row["currentLeaderEpoch"] = current
        if version >= 12:
            row["lastFetchedEpoch"] = last
        return row
    return {"topicId" if version >= 13 else "topic": topic, "partitions": [place(number) for number in partitions]}


def fetch(version, topics, session=None, epoch=-1, forgotten=(), wait=0, **more):
    value = {"maxWaitMs": wait, "minBytes": 1, "maxBytes": 1000000, "topics": topics}
    if version < 15:
        value["replicaId"] = -1
    if version >= 7:
        value |= {"sessionId": session or 0, "sessionEpoch": epoch, "forgottenTopicsData": list(forgotten)}
    ask("Fetch", version, value, **more)


for version in range(4, 18):
    fetch(version, [fetched("ta" if version < 13 else "$ta", 0, 1, version=version)])
fetch(12, [], None, 0)
fetch(12, [], "$session", 1)
fetch(12, [fetched("ta", 0, 1)], None, 0)
fetch(12, [], "$session", 1)
fetch(12, [], "$session", 1)
fetch(12, [], "$session", 3)
fetch(12, [], 999, 1)
fetch(12, [], None, 1)
fetch(13, [], "$session", 2)
fetch(12, [fetched("ta", 2)], "$session", 2)
fetch(12, [], "$session", 3, [{"topic": "ta", "partitions": [0, 1, 2]}])
fetch(12, [], "$session", 4)
fetch(12, [fetched("ta", 0)], None, 0)
fetch(12, [fetched("ta", 0)], "$session", -1)
fetch(12, [], "$session", 1)
fetch(13, [fetched("$ta", 0, version=13)], None, 0)
fetch(13, [], "$session", 1)
fetch(12, [], "$session", 2)
# What is compressed with zstd, by its producer or its topic, in versions older than zstd: Kafka 4 hands it out all the same.
ZSTD_BATCH = bytes.fromhex(
    "000000000000000000000069000000000241b169dc000400000001000001a204caa2e5000001a204caa2e5ffffffffffffffffffffffffffff"
    "0000000228b52ffd00587d010044029e0100000001900161206c696e652c20616e64206f6e6365206d6f726520009e0100000202004905b47846"
    "d309")
ask("CreateTopics", 7, {"topics": [
    {"name": "tz" + str(count), "numPartitions": 1, "replicationFactor": 1, "assignments": [],
     "configs": [{"name": "compression.type", "value": value}]}
    for count, value in enumerate(("zstd", "producer"))], "timeoutMs": 9000},
    differs="configs are compared by the Java tools", settle=2,
    ours={"topics": [{"name": name, "errorCode": 0} for name in ("tz0", "tz1")]})
for name in ("tz0", "tz1"):
    for version in (6, 7):
        ask("Produce", version, {"transactionalId": None, "acks": -1, "timeoutMs": 9000, "topicData": [
            {"name": name, "partitionData": [{"index": 0, "records": ZSTD_BATCH}]}]})
    for version in (4, 9, 10):
        fetch(version, [fetched(name, 0, version=version)])
MARKS = "refused rows tell where the log begins and ends, Kafka's do not"
fetch(12, [fetched("nix", 0)])
fetch(12, [fetched("ta", 9)])
for id in (STRANGER, NOBODY):
    fetch(13, [fetched(id, 0, version=13)])
for version, topic in ((12, "ta"), (17, "$ta")):
    fetch(version, [fetched(topic, 0, current=5, version=version)], differs=MARKS,
          ours={"responses": [{"partitions": [{"errorCode": 75}]}]})
    fetch(version, [fetched(topic, 0, current=0, last=0, version=version)])
    for wrong in ({"last": 3}, {"offset": 9}):
        fetch(version, [fetched(topic, 0, version=version, **wrong)], differs=MARKS,
              ours={"responses": [{"partitions": [{"errorCode": 1}]}]})

# Deletion, doubtful and real.
ONE_ROW = [{"errorCode": 42}]
for topics in (named("nix") + by_id(STRANGER, NOBODY) + [{"name": "ta", "topicId": "$ta"}],
               named("tc", "tc"), by_id("$ta", "$ta"), by_id("$ta") + named("ta"), by_id(STRANGER, STRANGER),
               named("nix", "nix"), by_id(NOBODY, NOBODY), []):
    ask("DeleteTopics", 6, {"topics": topics, "timeoutMs": 5000})
ask("DeleteTopics", 5, {"topicNames": ["nix", "tc", "tc"], "timeoutMs": 5000})
ask("DeleteTopics", 6, {"topics": by_id("$tc"), "timeoutMs": 5000}, settle=1)
fetch(12, [fetched("tc", 0)])

# The cluster.
ask("DescribeCluster", 2, {"includeFencedBrokers": True})
ask("DescribeCluster", 0, {"includeClusterAuthorizedOperations": True})
for endpoint in (2, 3):
    ask("DescribeCluster", 1, {"endpointType": endpoint})
QUORUM = [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]
for version in (0, 1):
    ask("DescribeQuorum", version, {"topics": QUORUM})
ask("DescribeQuorum", 2, {"topics": QUORUM}, differs="there is no controller listener",
    ours={"errorCode": 0, "nodes": [{"nodeId": 1, "listeners": []}],
          "topics": [{"partitions": [{"errorCode": 0, "leaderId": 1, "currentVoters": [{"replicaId": 1}], "observers": []}]}]})
for topics in ([{"topicName": "ta", "partitions": [{"partitionIndex": 0}]}],
               [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}, {"partitionIndex": 1}]}],
               QUORUM + [{"topicName": "ta", "partitions": [{"partitionIndex": 0}]}], []):
    ask("DescribeQuorum", 2, {"topics": topics})

# What is on the disk.
for version, topics in ((1, None), (5, None), (1, []), (2, [{"topic": "ta", "partitions": []}]),
                        (4, [{"topic": "ta", "partitions": [0, 1, 9]}, {"topic": "nix", "partitions": [0]}])):
    ask("DescribeLogDirs", version, {"topics": topics})
for path in ("/nix", "$dir", "relative"):
    ask("AlterReplicaLogDirs", 2, {"dirs": [{"path": path, "topics": [
        {"name": "ta", "partitions": [0, 9]}, {"name": "nix", "partitions": [0]}]}]})
ask("AlterReplicaLogDirs", 1, {"dirs": []})

# Pages.
def page(topics, limit, cursor=None):
    at = {"cursor": {"topicName": cursor[0], "partitionIndex": cursor[1]}} if cursor else {"cursor": None}
    value = {"topics": [{"name": name} for name in topics], "responsePartitionLimit": limit} | at
    ask("DescribeTopicPartitions", 0, value)


page([], 3)
page(["tb", "ta", "nix", "a!b"], 2000)
for limit in (4, 3, 0, -5):
    page(["tb", "ta"], limit)
for cursor in (("ta", 2), ("ta", 3), ("ta", 4), ("t", 1), ("taa", 1), ("ta", -1)):
    page(["tb", "ta"], 3, cursor)
    page([], 3, cursor)
page([], 3, ("zz", 0))
page(["tb", "tb"], 10)
page(["nix1", "nix2", "ta"], 1)
page(["ta", "uu"], 3)
page(["nix"], 1, ("nix", 1))
page(["tb"], 2, ("ta", 1))

# Whose configs there are.
LOGGERS = "there are no Java loggers here"
ask("ListConfigResources", 0, {})
ask("ListConfigResources", 1, {}, differs=LOGGERS, ours={"errorCode": 0, "configResources": [
    {"resourceName": "1", "resourceType": 4},
    *({"resourceName": name, "resourceType": 2} for name in ("ta", "tb", "tz0", "tz1"))]})
ask("ListConfigResources", 1, {"resourceTypes": [8]}, differs=LOGGERS, ours={"errorCode": 0, "configResources": []})
for kinds in ([2], [4], [16], [32], [0], [2, 4], [99], [-1], [2, 99]):
    ask("ListConfigResources", 1, {"resourceTypes": kinds})


# Elections and moves.
def elect(version, kind, topics):
    rows = topics and [{"topic": name, "partitions": numbers} for name, numbers in topics]
    value = {"topicPartitions": rows if topics is not None else None, "timeoutMs": 5000}
    ask("ElectLeaders", version, value | ({"electionType": kind} if version >= 1 else {}))


for kind in (0, 1, 2):
    elect(2, kind, None)
    elect(2, kind, [("ta", [0, 9]), ("nix", [0])])
elect(0, 0, [("ta", [0])])
elect(1, 0, [("ta", [0, 0]), ("ta", [1])])
elect(1, 0, [("", [0, -1])])
elect(1, 0, [])
for topics in (None, [], [{"name": "ta", "partitionIndexes": [0, 9]}, {"name": "nix", "partitionIndexes": [0]}]):
    ask("ListPartitionReassignments", 0, {"timeoutMs": 1000, "topics": topics})
for name, number, replicas in (("ta", 0, [1]), ("ta", 0, None), ("ta", 9, [1]), ("ta", 9, None), ("ta", 0, []),
                               ("ta", 0, [1, 1]), ("ta", 0, [2]), ("ta", 0, [-1]), ("ta", 0, [1, 2]), ("nix", 0, [1]),
                               ("nix", 0, None)):
    for version in (0, 1):
        ask("AlterPartitionReassignments", version, {"timeoutMs": 1000, "topics": [
            {"name": name, "partitions": [{"partitionIndex": number, "replicas": replicas}]}]})
ask("AlterPartitionReassignments", 1, {"timeoutMs": 1000, "allowReplicationFactorChange": False, "topics": [
    {"name": "ta", "partitions": [{"partitionIndex": 0, "replicas": [1, 2]}]}]})


# Quotas, access rules, credentials, producers.
def quotas(*components, version=1, strict=False, **more):
    rows = [{"entityType": kind, "matchType": match, "match": name} for kind, match, name in components]
    ask("DescribeClientQuotas", version, {"components": rows, "strict": strict}, **more)


for version in (0, 1):
    quotas(version=version)
for kind in ("user", "client-id", "ip"):
    quotas((kind, 2, None))
quotas(("user", 0, "ada"), ("client-id", 1, None), strict=True)
for wrong in ((("user", 0, None),), (("user", 1, "x"),), (("user", 2, "x"),), (("user", 3, None),), (("user", -1, None),),
              (("ip", 2, None), ("user", 2, None)), (("ip", 0, "1.2.3.4"), ("client-id", 0, "y")), (("weird", 0, "x"),),
              (("", 0, "x"),), (("user", 0, "x"), ("user", 0, "y")), (("weird", 0, "x"), ("user", 0, "x"))):
    quotas(*wrong)
QUOTA = {"ops": [{"key": "producer_byte_rate", "value": 100.0, "remove": False}]}
ask("AlterClientQuotas", 1, {"entries": [QUOTA | {"entity": [{"entityType": "user", "entityName": "ada"}]}], "validateOnly": True},
    differs="quotas are refused rather than taken and ignored",
    ours={"entries": [{"errorCode": 35, "errorMessage": "client quotas are not served yet"}]})
ask("AlterClientQuotas", 1, {"entries": [QUOTA | {"entity": [{"entityType": "weird", "entityName": "ada"}]}], "validateOnly": True})
ask("AlterClientQuotas", 0, {"entries": [], "validateOnly": True})
RULE = {"resourceType": 2, "resourceName": "ta", "resourcePatternType": 3, "principal": "User:a", "host": "*", "operation": 3,
        "permissionType": 3}
FILTER = {"resourceTypeFilter": 2, "resourceNameFilter": "ta", "patternTypeFilter": 3, "principalFilter": None,
          "hostFilter": None, "operation": 1, "permissionType": 1}
for version in (1, 2, 3):
    ask("DescribeAcls", version, FILTER)
    ask("CreateAcls", version, {"creations": [RULE, RULE]})
    ask("CreateAcls", version, {"creations": []})
    ask("DeleteAcls", version, {"filters": [FILTER, FILTER]})
    ask("DeleteAcls", version, {"filters": []})
for users in (None, [], ["ada", "bob"], ["ada", "ada"], [""]):
    ask("DescribeUserScramCredentials", 0, {"users": users and [{"name": name} for name in users]})
ask("DescribeProducers", 0, {"topics": [{"name": "ta", "partitionIndexes": [0, 9]}]})
ask("DescribeProducers", 0, {"topics": [{"name": "nix", "partitionIndexes": [0, 1]}]})
ask("DescribeProducers", 0, {"topics": [{"name": "", "partitionIndexes": [0]}]},
    differs="the same code in other words", ours={"topics": [{"partitions": [{"errorCode": 17}]}]})
ask("DescribeProducers", 0, {"topics": []})

"""The cases of `run` that are about consumer groups: consumers in groups, and every verb of kafka-consumer-groups."""

import re

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
TOOLS = "org.apache.kafka.tools."
CONSUMER = TOOLS + "consumer.ConsoleConsumer"
PRODUCER = TOOLS + "ConsoleProducer"


def unordered(text):
    """Output whose lines come in any order."""
    return "\n".join(sorted(text.splitlines()))


def events(text):
    """What a verifiable consumer tells: which events, and how many records; not in how many batches."""
    counts = re.findall(r'"name":"records_consumed".*?"count":(\d+)', text)
    return " ".join(sorted(set(re.findall(r'"name":"(\w+)"', text)))) + f" records: {sum(map(int, counts))}"


def measures(text):
    """Output of a measurement without its numbers."""
    return re.sub(r"[0-9][0-9.:/-]*", "n", text)


# An hour that is over, and one that is not yet: what is reset to them does not depend on how long the run takes.
PAST, FUTURE = "2020-01-01T00:00:00.000", "2099-01-01T00:00:00.000"


def cases(Case):
    def boot(line):
        return "--bootstrap-server BOOT " + line

    def group(name, line, given="", **more):
        return Case(name, GROUPS, boot(line), given, **more)

    def reset(name, how, group_name="cg", **more):
        return group("reset " + name, f"--reset-offsets --group {group_name} {how}", **more)

    told = "--formatter-property print.partition=true --formatter-property print.offset=true --timeout-ms 20000"
    return [
        Case("for groups", TOOLS + "TopicCommand", boot("--create --topic jg --partitions 1")),
        Case("for groups, two partitions", TOOLS + "TopicCommand", boot("--create --topic jg2 --partitions 2")),
        Case("for groups", PRODUCER, boot("--topic jg"), "".join(f"g{n}\n" for n in range(40))),
        Case("group, the first ten", CONSUMER, boot(f"--topic jg --group cg --from-beginning --max-messages 10 {told}")),
        Case("group, goes on", CONSUMER, boot(f"--topic jg --group cg --max-messages 10 {told}")),
        Case("group, by pattern", CONSUMER, boot(f"--include jg --group by-pattern --from-beginning --max-messages 5 {told}")),
        Case("group, cooperative", CONSUMER, boot(
            "--topic jg --group coop --from-beginning --max-messages 5 --command-property "
            "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor " + told)),
        group("list", "--list", shape=unordered),
        group("list, states", "--list --state", shape=unordered),
        group("list, one state", "--list --state Empty", shape=unordered),
        group("list, types", "--list --type classic", shape=unordered),
        group("describe", "--describe --group cg"),
        group("describe, offsets", "--describe --group cg --offsets"),
        group("describe, members", "--describe --group cg --members"),
        group("describe, members verbose", "--describe --group cg --members --verbose"),
        group("describe, state", "--describe --group cg --state"),
        group("describe, missing", "--describe --group nobody"),
        group("describe, missing, state", "--describe --group nobody --state"),
        reset("to earliest, dry run", "--topic jg --to-earliest --dry-run"),
        group("describe, nothing was reset", "--describe --group cg"),
        reset("to earliest", "--topic jg --to-earliest --execute"),
        group("describe, at the start", "--describe --group cg"),
        reset("to latest", "--topic jg --to-latest --execute"),
        reset("to an offset", "--topic jg --to-offset 12 --execute"),
        reset("to an offset beyond the end", "--topic jg --to-offset 500 --execute"),
        reset("by shifting", "--topic jg --shift-by -5 --execute"),
        reset("to current", "--topic jg --to-current --execute"),
        reset("to a time that is over", f"--topic jg --to-datetime {PAST} --execute"),
        reset("to a time to come", f"--topic jg --to-datetime {FUTURE} --execute"),
        reset("by duration", "--topic jg --by-duration PT1H --execute"),
        reset("one partition", "--topic jg2:1 --to-offset 0 --execute"),
        reset("all topics, export", "--all-topics --to-earliest --export --dry-run"),
        reset("from a file", "--from-file plan.csv --execute", files={"plan.csv": "jg,0,7\n"}),
        group("describe, as the file says", "--describe --group cg", shape=unordered),
        reset("a group that is not there", "--topic jg --to-offset 3 --execute", group_name="fresh"),
        reset("an unknown topic", "--topic nix --to-earliest --execute"),
        Case("group, after the reset", CONSUMER, boot(f"--topic jg --group fresh --max-messages 3 {told}")),
        group("delete offsets", "--delete-offsets --group cg --topic jg"),
        group("delete offsets, none there", "--delete-offsets --group cg --topic jg2:0"),
        group("delete offsets, missing group", "--delete-offsets --group nobody --topic jg"),
        group("delete", "--delete --group cg"),
        group("delete, missing", "--delete --group nobody"),
        group("delete, two", "--delete --group coop --group by-pattern"),
        group("list, afterwards", "--list", shape=unordered),
        Case("groups", "kafka.admin.ConfigCommand", boot("--entity-type groups --describe"), shape=unordered),
        Case("group, static", CONSUMER, boot(
            f"--topic jg --group static --from-beginning --max-messages 5 --command-property group.instance.id=one {told}")),
        Case("without --partition", CONSUMER, boot(f"--topic jg --from-beginning --max-messages 40 {told}")),
        Case("5 records", TOOLS + "VerifiableConsumer", boot("--topic jg --group-id vg --max-messages 5 --reset-policy earliest"),
             shape=events),
        Case("in a group", TOOLS + "ConsumerPerformance", boot("--topic jg --num-records 40 --group perf --hide-header"),
             shape=measures),
        Case("acks=all", TOOLS + "EndToEndLatency", boot(
            "--topic jg --num-records 100 --producer-acks all --record-size 100"), shape=measures),
    ]

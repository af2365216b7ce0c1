//! Further examples, below the help of a command: every option stands in one of them, or in the one at its top.

pub(super) const TOPIC_LIST: &str = "\
Also:     callboard topic list --internal -O wide\n\
\u{20}         callboard topic list -b kafka.example:9092 -X client.id=me --timeout 5s --watch 5\n\
\u{20}         callboard topic list --context staging --color never";
pub(super) const TOPIC_DESCRIBE: &str = "\
Also:     callboard topic describe orders --configs";
pub(super) const TOPIC_CREATE: &str = "\
Also:     callboard topic create orders payments --replicas 3 --if-not-exists --dry-run";
pub(super) const TOPIC_ALTER: &str = "\
Also:     callboard topic alter orders --set retention.ms=86400000 --dry-run";
pub(super) const TOPIC_DELETE: &str = "\
Also:     callboard topic delete orders payments --if-exists";
pub(super) const TOPIC_ADD_PARTITIONS: &str = "\
Also:     callboard topic add-partitions orders --add 3 --dry-run";
pub(super) const TOPIC_TRIM: &str = "\
Also:     callboard topic trim orders --before-offset 4700 --partitions 0,2\n\
\u{20}         callboard topic trim orders --older-than 7d\n\
\u{20}         callboard topic trim orders --all --yes";
pub(super) const GROUP_LAG: &str = "\
Also:     callboard group lag billing --partitions --watch";
pub(super) const GROUP_SEEK: &str = "\
Also:     callboard group seek billing --topic orders:0,2 --to-offset 4700\n\
\u{20}         callboard group seek billing --to-start --dry-run\n\
\u{20}         callboard group seek billing --to-end --yes\n\
\u{20}         callboard group seek billing --by-duration 2h\n\
\u{20}         callboard group seek billing --shift-by -100\n\
\u{20}         callboard group seek billing --to-current";
pub(super) const GROUP_DELETE: &str = "\
Also:     callboard group delete billing --topic orders --yes\n\
\u{20}         callboard group delete billing fraud --if-exists";
pub(super) const PRODUCE: &str = "\
Also:     callboard produce greetings --key ann --header source=shell --timestamp -5m\n\
\u{20}         callboard produce greetings -K: --delimiter ';' --compression zstd --verbose\n\
\u{20}         callboard produce greetings --partition 3 --null --rate 100\n\
\u{20}         callboard produce greetings --json --color never";
pub(super) const CONSUME: &str = "\
Also:     callboard consume greetings --offset -5 --count 5 --key-delimiter :\n\
\u{20}         callboard consume greetings --partition 0,2 --json --idle 5s --color never\n\
\u{20}         callboard consume greetings --group billing --no-commit --quiet\n\
\u{20}         callboard consume greetings -o @-2h -e --format '%p:%o %s' --delimiter ';' --null\n\n\
Templates:  %t topic  %p partition  %o offset  %k key  %v or %s value  %S size of the value  \
%K size of the key  %h headers  %T time in milliseconds  %D time in words  %% a percent sign  \\n \\t \\xHH\n\
Places:     start, end, stored, 47, -5 (before the end), +2 (after the start), @TIME, FROM:TO";
pub(super) const ACTOR_TREE: &str = "\
Also:     callboard actor tree --depth 2";
pub(super) const ACTOR_LIST: &str = "\
Also:     callboard actor list --troubled --watch\n\
\u{20}         callboard actor list --kind worker --sort restarts --admin http://127.0.0.1:9644";
pub(super) const ACTOR_RESTART: &str = "\
Also:     callboard actor restart node/broker/cleaner --yes";
pub(super) const BENCH_PRODUCE: &str = "\
Also:     callboard bench produce load --duration 10s --rate 5000 --keys 100 --compression lz4\n\
\u{20}         callboard bench produce load --records 1000000 --size 100";
pub(super) const BENCH_CONSUME: &str = "\
Also:     callboard bench consume load --duration 10s";
pub(super) const BENCH_E2E: &str = "\
Also:     callboard bench e2e load --records 1000 --size 100 --compression lz4";
pub(super) const TOP: &str = "\
Also:     callboard top --every 5\n\
\u{20}         callboard top --once";
pub(super) const DOCTOR: &str = "\
Also:     callboard doctor --data /var/lib/callboard";
pub(super) const COMPLETIONS: &str = "\
Also:     callboard completions zsh --static";
pub(super) const CONFIG_DIFF: &str = "\
Also:     callboard config diff topic/orders\n\
\u{20}         callboard config diff --config /etc/callboard/node.toml --admin http://127.0.0.1:9644";
pub(super) const CONFIG_UNSET: &str = "\
Also:     callboard config unset topic/orders retention.ms --dry-run";
pub(super) const CONTEXT_ADD: &str = "\
Also:     callboard context add staging --brokers kafka.staging:9092 --admin http://kafka.staging:9644 --use --force";

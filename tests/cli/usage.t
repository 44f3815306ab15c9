# What is wrong with a command line is said in one sentence, and the exit code is 2.
$ cleanroom
cleanroom: no image is named; try 'cleanroom myimage'
[exit 2]
$ cleanroom plan
cleanroom: no image is named; try 'cleanroom myimage'
[exit 2]
$ cleanroom --shrads 4 myapp
cleanroom: unknown option '--shrads', did you mean '--shards'?
[exit 2]
$ cleanroom --frobnicate myapp
cleanroom: unknown option '--frobnicate'; see 'cleanroom --help'
[exit 2]
$ cleanroom --no-shards myapp
cleanroom: unknown option '--no-shards', did you mean '--shards'?
[exit 2]
$ cleanroom -z myapp
cleanroom: unknown option '-z'; see 'cleanroom --help'
[exit 2]
$ cleanroom --shards
cleanroom: --shards: a value is missing
[exit 2]
$ cleanroom --results --deploy myapp
cleanroom: --results: a value is missing
[exit 2]
$ cleanroom --no-user-config=yes myapp
cleanroom: --no-user-config: it takes no value
[exit 2]
$ cleanroom --verbose=1 myapp
cleanroom: --verbose: it takes no value
[exit 2]
$ cleanroom myapp tests/unit
cleanroom: 'tests/unit' follows the image 'myapp': put arguments for the tests after '--'
[exit 2]
$ cleanroom pln myapp
cleanroom: there is no command 'pln', did you mean 'plan'?
[exit 2]
$ cleanroom run plan myapp
cleanroom: 'myapp' follows the image 'plan': put arguments for the tests after '--'
[exit 2]
$ cleanroom recycle one two
cleanroom: 'two' is one word too many for 'cleanroom recycle'
[exit 2]
$ cleanroom recycle --shards 4
cleanroom: --shards: 'cleanroom recycle' does not take it
[exit 2]
$ cleanroom recycle -- -x
cleanroom: 'cleanroom recycle' takes nothing after '--'
[exit 2]
$ cleanroom version --quiet
cleanroom: --quiet: 'cleanroom version' does not take it
[exit 2]
# Values.
$ cleanroom plan myapp --shards x
cleanroom: --shards: 'x' is not a number between 1 and 1000
[exit 2]
$ cleanroom plan myapp -n0
cleanroom: --shards: '0' is not a number between 1 and 1000
[exit 2]
$ cleanroom plan myapp --deploy=perhaps
cleanroom: --deploy: unknown value 'perhaps'; known are no, each, once
[exit 2]
$ cleanroom plan myapp --test-timeout soon
cleanroom: --test-timeout: 'soon' is not a time: write it as 90s, 5m or 1h30m
[exit 2]
$ cleanroom plan myapp --memory 2q
cleanroom: --memory: '2q' is not a size: write it as 512m or 2g
[exit 2]
$ cleanroom plan myapp --pull allways
cleanroom: --pull: unknown value 'allways', did you mean 'always'?
[exit 2]
$ cleanroom plan myapp --environment FOO
cleanroom: --environment: 'FOO' is not of the form KEY=VALUE
[exit 2]
$ cleanroom plan myapp --services postgres,rediss
cleanroom: --services: unknown service 'rediss', did you mean 'redis'?
[exit 2]
$ cleanroom plan myapp --postgres.prot 5433
cleanroom: --postgres.prot: unknown postgres override 'prot', did you mean 'port'?
[exit 2]
$ cleanroom plan myapp --postgrs.port 5433
cleanroom: --postgrs.port: unknown service 'postgrs', did you mean 'postgres'?
[exit 2]
$ cleanroom plan myapp --postgres.port=no
cleanroom: --postgres.port: 'no' is not a port: a number between 1 and 65535
[exit 2]
$ cleanroom plan myapp --application_id a/b
cleanroom: --application-id: 'a/b' cannot be an application id: use letters, digits, '_', '.' and '-', 64 at most, and a letter or digit first
[exit 2]
$ CLEANROOM_SHARDS=all cleanroom plan myapp
cleanroom: CLEANROOM_SHARDS: 'all' is not a number between 1 and 1000
[exit 2]
$ cleanroom plan myapp --slice 4/3
cleanroom: --slice: '4/3' is none of the slices 1/3 to 3/3
[exit 2]
$ cleanroom plan myapp -n 2 --slice 1/3
cleanroom: --slice: 2 shards are not enough for 3 slices; --shards N makes more of them, which are those of all slices together
[exit 2]
$ printf 'cleanroom:\n  slice: second\n' >forklift.yaml; cleanroom plan myapp; rm forklift.yaml
cleanroom: forklift.yaml:2:10: 'second' is no slice: write the second of three as 2/3, or 'auto' to take it from the CI system's variables
$ cleanroom plan myapp --slice auto
cleanroom: --slice: none of the variables is set that number parallel jobs: CI_NODE_INDEX (GitLab CI), ...; write the second of three as 2/3
[exit 2]
# Nothing in a message steers the terminal.
$ cleanroom "--$(printf '\033[31m')" | cat -v
cleanroom: unknown option '--?[31m'; see 'cleanroom --help'
# Inside one of the shards: options before the image, and all after it is the container's.
$ cleanroom shell --help | head -3
Usage: cleanroom shell [OPTIONS] IMAGE [COMMAND [ARGUMENTS]]
Go inside a shard: a shell, or COMMAND by the image's entry.

$ cleanroom shell --shards 2 --shard 3 myimage
cleanroom: --shard '3': it is one of 1 to 2; --shards N makes it one of N
[exit 2]
$ cleanroom shell
cleanroom: no image is named; try 'cleanroom myimage'
[exit 2]
$ cleanroom shell --shards 2 --shard 3 myimage rails console --help
cleanroom: --shard '3': it is one of 1 to 2; --shards N makes it one of N
[exit 2]

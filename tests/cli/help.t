# The help of the program.
$ cleanroom --help
Usage: cleanroom [run] [OPTIONS] IMAGE [-- ARGUMENTS OF THE TESTS]
Test an image, each shard among fresh services of its own.

Options:
  -n, --shards N              private worlds to run side by side (default 1)
      --[no-]deploy           run 'deploy' first: no (default), each, once
      --driver WHAT           image, or program: auto (default), docker, direct
      --[no-]snapshots        keep initialised services for later runs
      --keep WHICH            shards to leave up: no (default), failed, always
  -r, --results DIR           report and logs (default cleanroom-results)
      --pull WHEN             pull images: missing (default), always, never
      --network MODE          way out: none (default), outside, host-nat, pasta
      --memory SIZE           limit of each app container, as 2g
      --cpus N                the same in CPUs, as 1.5
      --pids N                the same in processes
      --scratch WHERE         what is written, embedded: memory (default), disk
      --start-limit N         shards coming up and starts at once, 0 = by CPUs

Tests:
      --plan FILE             of 'plan -o': what all slices have in common
      --runner NAME           test runner, as pytest: see README
      --split HOW             who divides the tests, and how: env (default),
                              list, timings, queue
      --granularity WHAT      what is handed out whole: auto (default), test,
                              class, file
      --list WORDS            what prints the tests, as 'test --list'
      --list-file FILE        or the file that names them
      --list-format NAME      how they are printed
      --part WORDS            how a shard gets its tests, as '--only={tests}'
      --timings FILE          how long tests took, for later runs (default
                              cleanroom.timings)
      --reports GLOB          JUnit files of the app, in its container
      --reader NAME           what the tests print, as tap (default auto)
      --expect N              how many tests there must be
      --retries N             run failed tests again, and tell flaky ones
      --[no-]fail-on-flaky    a test that passed later fails the run
      --[no-]fail-fast        end all shards when one has failed
      --repeat N              run the tests N times (default 1)
      --[no-]until-fail       but only until one fails
      --order HOW             of tests that are handed out: listed (default),
                              random
      --seed S                of a random order, 0 = a new one
      --slice I/M             run a part of the shards: 2/3, or auto
      --junit-dialect NAME    of junit.xml: jenkins (default), surefire, gitlab
      --annotations WHOSE     for the CI that runs us: auto (default), never,
                              github, teamcity, buildkite

Services:
  -s, --services LIST         as postgres,redis, instead of the file's
      --SERVICE.KEY VALUE     as --postgres.image postgres:16
  -e, --environment K=V       a variable for the app; once for each

Files:
  -f, --file FILE             the project file, instead of ./forklift.yaml
      --application-id NAME   instead of the directory's name
      --no-user-config        ignore the files in your home, as if CI=true

Time limits:
      --pull-timeout TIME     all images together (default 10m)
      --start-timeout TIME    a shard's services, until ready (default 60s)
      --deploy-timeout TIME   a shard's deploy (default 10m)
      --test-timeout TIME     a shard's tests (default 1h)
      --teardown-timeout TIME removing everything (default 30s)

Engine:
      --engine WHICH          container engine: auto (default), embedded, docker
  -H, --host URL              a daemon, as in DOCKER_HOST
      --context NAME          a docker context
      --image-cache SIZE      images kept, embedded (default 20g)

Output:
      --color WHEN            colours: auto (default), always, never
  -q, --[no-]quiet            no live lines of the tests
  -v, --verbose               say every state change; twice: every request
  -h, --help                  this text
      --version               the version

Commands:
  run      Test an image, each shard among fresh services of its own (default)
  replay   Run again just what one shard of an earlier run ran
  plan     Print what a run would do, and where each value comes from
  merge    Join the reports of --slices, and prove that none is missing
  serve    Deploy and serve an image at a port of this machine
  shell    Go inside a shard: a shell, or COMMAND by the image's entry
  services List the services, what each tells the app and takes
  recycle  Remove what dead runs left behind, or all of one RUN
  doctor   Say what each engine has and lacks on this machine
  image    Load, list and remove images that are kept

Example: cleanroom -n 4 --deploy myapp:latest -- --failfast
Exit code: 0 passed, 1 tests failed, 2 usage, 3 engine or service, 4 leftovers,
124 time limit, 128+N signal N. Options are also CLEANROOM_SHARDS=4, or below
'cleanroom:' in forklift.yaml.
# It fits a screen and says the same wherever it is asked for.
$ cleanroom --help | awk 'length > 80'
$ test $(cleanroom --help | wc -l) -le 100
$ cleanroom --help >a; cleanroom help >b; cleanroom help run >c; cleanroom myapp -h >d; cmp a b && cmp b c && cmp c d
# Of each command.
$ cleanroom recycle --help
Usage: cleanroom recycle [OPTIONS] [RUN]
Remove what dead runs left behind, or all of one RUN.

Options:
      --dry-run               say what would be removed, and leave it

Files:
  -f, --file FILE             the project file, instead of ./forklift.yaml
      --application-id NAME   instead of the directory's name
      --no-user-config        ignore the files in your home, as if CI=true

Engine:
      --engine WHICH          container engine: auto (default), embedded, docker
  -H, --host URL              a daemon, as in DOCKER_HOST
      --context NAME          a docker context
      --image-cache SIZE      images kept, embedded (default 20g)

Output:
      --color WHEN            colours: auto (default), always, never
  -q, --[no-]quiet            no live lines of the tests
  -v, --verbose               say every state change; twice: every request
  -h, --help                  this text
      --version               the version
$ cleanroom help version
Usage: cleanroom version
Print the version.
$ cleanroom help help
Usage: cleanroom help [COMMAND]
Explain a command.
$ cleanroom plan --help | head -n 2
Usage: cleanroom plan [OPTIONS] IMAGE [-- ARGUMENTS OF THE TESTS]
Print what a run would do, and where each value comes from.
$ cleanroom help pln
cleanroom: there is no command 'pln', did you mean 'plan'?
[exit 2]
$ cleanroom help xyzzyx
cleanroom: there is no command 'xyzzyx'; see 'cleanroom --help'
[exit 2]
$ cleanroom help run plan
cleanroom: 'plan' is one word too many for 'cleanroom help'
[exit 2]
# The version.
$ cleanroom version
cleanroom 0.1.0
$ cleanroom --version
cleanroom 0.1.0
# Nothing is lost silently.
$ cleanroom --help >/dev/full
cleanroom: cannot write to standard output: No space left on device
[exit 3]
$ cleanroom --help | true
$ cleanroom --help >&-

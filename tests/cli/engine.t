# No engine: one sentence and exit code 3.
$ cleanroom --host unix:///nowhere/docker.sock myapp
...
cleanroom: no engine answers at unix:///nowhere/docker.sock: No such file or directory...
[exit 3]
# The report says so too.
$ grep -c 'no engine answers' cleanroom-results/junit.xml
1
$ cleanroom recycle --host unix:///nowhere/docker.sock
cleanroom: no engine answers at unix:///nowhere/docker.sock: No such file or directory...
[exit 3]
# What contradicts itself is said before anything is looked for.
$ cleanroom --engine embedded --host unix:///nowhere myapp 2>&1 | tail -n 1
cleanroom: --host names a daemon, which --engine embedded has not: leave one of them out
$ cleanroom --engine docker --network pasta myapp 2>&1 | tail -n 1
cleanroom: --network pasta: only the embedded engine has it; --network outside is Docker's own
$ DOCKER_HOST=unix:///nowhere cleanroom --network host-nat myapp 2>&1 | tail -n 1
cleanroom: --network host-nat: only the embedded engine has it, and DOCKER_HOST names a daemon; --network outside is Docker's own
$ cleanroom --engine podman myapp
cleanroom: --engine: unknown value 'podman'; known are auto, embedded, docker
[exit 2]
$ CLEANROOM_ENGINE=moby cleanroom myapp
cleanroom: CLEANROOM_ENGINE: unknown value 'moby'; known are auto, embedded, docker
[exit 2]
# A daemon that is named is taken.
$ DOCKER_HOST=unix:///nowhere/x.sock cleanroom myapp 2>&1 | tail -n 1
cleanroom: no engine answers at unix:///nowhere/x.sock: No such file or directory: is the engine running? start it, or name another one with --host

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

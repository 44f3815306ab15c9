# Reports of three machines, as `cleanroom run --slice` writes them, and the plan they had.
$ report() {
>   mkdir -p slice-$1
>   cat >slice-$1/junit.xml <<END
> <?xml version="1.0" encoding="UTF-8"?>
> <testsuites name="shop" tests="3" failures="0" errors="0" time="7.000">
>   <testsuite name="shard $1 of 3" tests="3" failures="0" errors="0" skipped="0" time="6.000" timestamp="2024-05-01T10:00:0$1" hostname="machine-$1" id="0" package="shop">
>     <properties>
>       <property name="run.plan" value="0123456789ab"/>
>       <property name="run.slice" value="$1/3"/>
>       <property name="cleanroom.run" value="$1$1$1$1$1$1"/>
>       <property name="cleanroom.shard" value="$1/3"/>
>     </properties>
>     <testcase classname="cleanroom.shard-$1" name="test" time="5.000"/>
>     <testcase classname="t.a" name="test_$1" time="1.500"/>
>     <testcase classname="t.b" name="test_$1" time="2.000"/>
>   </testsuite>
> </testsuites>
> END
> }
> unit() {
>   echo "{\"name\": \"t/$1.py::test_$2\", \"shard\": $2, \"msec\": 1, \"known\": false,"
>   echo " \"tests\": [{\"id\": \"t/$1.py::test_$2\", \"key\": \"t.$1.test_$2\"}]}"
> }
> report 1; report 2; report 3
> cat >plan.json <<END
> {"tool": "cleanroom", "format": 1, "version": "0.1.0", "id": "0123456789ab", "application": "shop",
>  "target": "shop:1", "arguments": [], "images": [], "shards": 3, "split": "list",
>  "runner": "pytest", "order": "listed", "seed": 0, "expect": 6, "files": false,
>  "granularity": "test", "units": [
>  $(unit a 1), $(unit a 2), $(unit a 3), $(unit b 1), $(unit b 2), $(unit b 3)]}
> END
$ cleanroom merge plan.json slice-*/junit.xml

[1] passed    6.00s  2 tests: 2 passed  (test 5.00s)
[2] passed    6.00s  2 tests: 2 passed  (test 5.00s)
[3] passed    6.00s  2 tests: 2 passed  (test 5.00s)
6 tests planned, 6 ran, each exactly once
3 shards: 3 passed in 8.00s; 6 tests: 6 passed; report: cleanroom-results/junit.xml
$ grep -c '<testcase' cleanroom-results/junit.xml
9
$ grep -o 'hostname="machine[^"]*"' cleanroom-results/junit.xml
hostname="machine-1"
hostname="machine-2"
hostname="machine-3"
# A report with all of it is one report like others: it can be joined again, and without a plan.
$ cleanroom merge --results all cleanroom-results/junit.xml | tail -1
3 shards: 3 passed in 8.00s; 6 tests: 6 passed; report: all/junit.xml
$ cleanroom merge -r all slice-3/junit.xml slice-1/junit.xml slice-2/junit.xml | tail -1
3 shards: 3 passed in 8.00s; 6 tests: 6 passed; report: all/junit.xml
# What is missing is named, and all that was there is reported.
$ cleanroom merge plan.json slice-1/junit.xml slice-3/junit.xml

FAILED proof (0ms)
    slice 2/3 is missing: shard 2 of 3

[1] passed    6.00s  2 tests: 2 passed  (test 5.00s)
[3] passed    6.00s  2 tests: 2 passed  (test 5.00s)
6 tests planned, 4 ran, each exactly once, 2 never ran; not every shard came to its end
2 shards: 2 passed in 8.00s; 4 tests: 4 passed; report: cleanroom-results/junit.xml
cleanroom: slice 2/3 is missing: shard 2 of 3
[exit 1]
$ grep -A1 'name="proof"' cleanroom-results/junit.xml
    <testcase classname="cleanroom" name="proof" time="0.000">
      <failure message="slice 2/3 is missing: shard 2 of 3" type="ProofError"/>
$ cleanroom merge slice-1/junit.xml slice-3/junit.xml 2>&1 | tail -1
cleanroom: slice 2/3 is missing: shard 2 of 3
# What went wrong with a run as a whole is told, too.
$ sed 's/<testcase classname="t.b".*/&<\/testsuite><testsuite name="cleanroom" hostname="machine-2"><testcase classname="cleanroom" name="run"><error message="no engine"\/><\/testcase>/' slice-2/junit.xml >broken.xml
$ cleanroom merge slice-[13]/junit.xml broken.xml 2>&1 | tail -1
cleanroom: machine-2: no engine
# And what is there twice.
$ cp -r slice-2 slice-2-again; cleanroom merge plan.json slice-*/junit.xml 2>&1 | tail -1
cleanroom: shard 2 is there twice: in 'slice-2-again/junit.xml' and 'slice-2/junit.xml'
$ rm -r slice-2-again
# A test that ran on two machines, and one that ran on none.
$ cp -r slice-2 good; sed -i 's/"t.b" name="test_2"/"t.b" name="test_1"/' slice-2/junit.xml
$ cleanroom merge plan.json slice-*/junit.xml 2>&1 | grep -A1 FAILED
FAILED proof (0ms)
    expected 6 tests, and 5 are in the reports (0 of them skipped)
FAILED proof (0ms)
    1 planned test ran in more than one shard: t.b.test_1
FAILED proof (0ms)
    1 planned test never ran: t/b.py::test_2
# A run that was killed, and one that failed.
$ sed 's/<testcase classname="t.b".*/<testcase classname="cleanroom" name="run"><error message="started, not finished: the run was interrupted or is still going on" type="error"\/><\/testcase>/' good/junit.xml >slice-2/junit.xml
$ cleanroom merge plan.json slice-*/junit.xml 2>&1 | tail -3
6 tests planned, 5 ran, each exactly once, 1 never ran; not every shard came to its end
3 shards: 2 passed, 1 in error in 8.00s; 5 tests: 5 passed; report: cleanroom-results/junit.xml
cleanroom: 'slice-2/junit.xml' is of a run that was started, not finished
$ sed '/classname="t.b"/s/\/>/><failure message="no" type="AssertionError">t\/b.py:3<\/failure><\/testcase>/' good/junit.xml >slice-2/junit.xml
$ cleanroom merge plan.json slice-*/junit.xml

FAILED [2] t.b test_2 (2.00s)
    no
    | t/b.py:3

[1] passed    6.00s  2 tests: 2 passed  (test 5.00s)
[2] failed    6.00s  2 tests: 1 passed, 1 failed  (test 5.00s)
[3] passed    6.00s  2 tests: 2 passed  (test 5.00s)
6 tests planned, 6 ran, each exactly once
3 shards: 2 passed, 1 failed in 8.00s; 6 tests: 5 passed, 1 failed; report: cleanroom-results/junit.xml
[exit 1]
$ cp good/junit.xml slice-2/junit.xml
# --fail-on-flaky is a verdict of the machines: it is among their failures.
$ cleanroom merge --fail-on-flaky slice-1/junit.xml
cleanroom: --fail-on-flaky: 'cleanroom merge' does not take it
[exit 2]
# What cannot be joined.
$ cleanroom merge
cleanroom: no report is named; try 'cleanroom merge plan.json */junit.xml'
[exit 2]
$ cleanroom merge plan.json
cleanroom: no report is named; try 'cleanroom merge plan.json */junit.xml'
[exit 2]
$ cleanroom merge plan.json nowhere/junit.xml
cleanroom: cannot read 'nowhere/junit.xml': No such file or directory
[exit 2]
$ echo '<html/>' >x.xml; cleanroom merge plan.json x.xml
cleanroom: cannot read 'x.xml': its root element is 'html', not testsuites or testsuite
[exit 2]
$ echo '<testsuite name="pytest"><testcase classname="a" name="b"/></testsuite>' >x.xml; cleanroom merge x.xml
cleanroom: 'x.xml' is no report of a run: it has no suite 'shard K of N'
[exit 2]
$ cleanroom merge slice-1/junit.xml plan.json
cleanroom: cannot read 'plan.json': not well-formed XML (line 1: Start tag expected, '<' not found)
[exit 2]
$ sed 's/"shards": 3/"shards": 2/' plan.json >two.json; cleanroom merge two.json slice-1/junit.xml
cleanroom: two.json: unit 3: its shard is 3 of 2
[exit 2]
$ echo '{"tool": "cleanroom", "run": 1}' >run.json; cleanroom merge run.json slice-1/junit.xml
cleanroom: run.json: it is of another format than 1, which this cleanroom reads: make it again
[exit 2]
$ cleanroom merge --shards 3 slice-1/junit.xml
cleanroom: --shards: 'cleanroom merge' does not take it
[exit 2]
# The results directory: inputs may be below it, and are not removed; nothing else of others is.
$ mkdir -p out/shard-1 out/shard-2 && cp slice-1/junit.xml out/shard-1/ && cp -r slice-2 slice-3 out/
$ cleanroom merge -r out plan.json out/*/junit.xml | tail -1
3 shards: 3 passed in 8.00s; 6 tests: 6 passed; report: out/junit.xml
$ find out -type f | sort; test -d out/shard-2
out/junit.xml
out/shard-1/junit.xml
out/slice-2/junit.xml
out/slice-3/junit.xml
[exit 1]
$ cleanroom merge -r out out/junit.xml
cleanroom: 'out/junit.xml' is to be read, and what is made of it would take its place; leave it out, or name another directory with --results
[exit 2]
$ echo mine >out/notes.txt; cleanroom merge -r out plan.json out/*/junit.xml
cleanroom: results directory 'out' is not empty and not ours: it holds 'notes.txt' and no run.json of an earlier run; name another with --results
[exit 2]
$ cd slice-1 && cleanroom merge -r . junit.xml
cleanroom: 'junit.xml' is to be read, and what is made of it would take its place; leave it out, or name another directory with --results
[exit 2]

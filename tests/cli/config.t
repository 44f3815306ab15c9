# Everything wrong in forklift.yaml has its place.
$ cat >forklift.yaml <<END
> services:
>   - redis
>   - postgrse
> END
$ cleanroom plan myapp
cleanroom: forklift.yaml:3:5: unknown service 'postgrse', did you mean 'postgres'?
      - postgrse
        ^
[exit 2]
$ printf 'cleanroom:\n\tshards: 4\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:2:1: not valid YAML: a tab cannot indent, use spaces
    	shards: 4
    ^
[exit 2]
$ printf 'cleanroom: {shards: "4"}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:21: 'shards' wants a number, not text: write it without quotes
    cleanroom: {shards: "4"}
                        ^
[exit 2]
$ printf 'redis: {}\nredis: {}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:2:1: 'redis' is given twice, first on line 1
    redis: {}
    ^
[exit 2]
$ printf 'services: [redis\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:11: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence
    services: [redis
              ^
[exit 2]
$ printf 'service: redis\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:1: unknown key 'service', did you mean 'services'?
    service: redis
    ^
[exit 2]
$ rm forklift.yaml; mkdir forklift.yaml; cleanroom plan myapp; rmdir forklift.yaml
cleanroom: cannot read 'forklift.yaml': Is a directory
$ cleanroom plan -f other.yaml myapp
cleanroom: --file: cannot read 'other.yaml': No such file or directory
[exit 2]
# An empty file is fine, and so is none.
$ touch forklift.yaml; cleanroom plan myapp >/dev/null
$ rm forklift.yaml; cleanroom plan myapp >/dev/null
# A person's own files count at home only.
$ mkdir -p ~/.config/forklift; echo 'cleanroom: {shards: 7}' >~/.config/forklift/_default.yaml
$ cleanroom plan myapp | grep '^  shards'
  shards ... 7 ... TOP/home/.config/forklift/_default.yaml:1:21
$ CI=true cleanroom plan myapp | grep '^  shards'
  shards ... 1 ... default
$ cleanroom plan myapp --no-user-config | grep '^  shards'
  shards ... 1 ... default
$ CLEANROOM_SHARDS=3 cleanroom plan myapp | grep '^  shards'
  shards ... 3 ... CLEANROOM_SHARDS
$ CLEANROOM_SHARDS=3 cleanroom plan myapp -n 2 | grep '^  shards'
  shards ... 2 ... --shards

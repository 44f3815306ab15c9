# The image store by hand. One that nothing was put into yet:
$ cleanroom image ls
REFERENCE  ID               SIZE  LAST USED
$ cleanroom image prune
freed 0 B
# An archive as `docker save` makes it.
$ mkdir layer && echo hello >layer/file && tar -cf layer.tar -C layer .
$ printf '{"config":{"Cmd":["x"]},"rootfs":{"diff_ids":["sha256:%s"]}}' $(sha256sum layer.tar | cut -d ' ' -f 1) >config.json
$ printf '[{"Config":"config.json","RepoTags":["hello:1"],"Layers":["layer.tar"]}]' >manifest.json
$ tar -cf hello.tar config.json layer.tar manifest.json
$ cleanroom image load hello.tar
loaded hello:1 ...
$ cleanroom image ls
REFERENCE  ID               SIZE  LAST USED
hello:1    ...      6 B  just now
# From standard input, compressed, under another name: it is the same image.
$ gzip <hello.tar | cleanroom image load --name registry.example/hello -
loaded registry.example/hello ...
$ cleanroom image ls | cut -c 1-31,46- | sort
REFERENCE                         SIZE  LAST USED
hello:1                            6 B  just now
registry.example/hello:latest      6 B  just now
$ cleanroom image ls | awk 'NR > 1 { print $2 }' | uniq | wc -l
1
$ cleanroom image rm registry.example/hello hello:1 hello:1
removed registry.example/hello
removed hello:1
cleanroom: there is no image 'hello:1': see 'cleanroom image ls'
[exit 2]
# What is not as it says is refused, and nothing of it stays.
$ echo bad >layer/file && tar -cf layer.tar -C layer . && tar -cf bad.tar config.json layer.tar manifest.json
$ cleanroom image load bad.tar
cleanroom: could not load 'bad.tar': the layer's content is not sha256:... but sha256:...
[exit 3]
$ cleanroom image load config.json
cleanroom: could not load 'config.json': it is no archive of images: ...
[exit 3]
$ cleanroom image load .
cleanroom: could not load '.': the layer's content is not sha256:... but sha256:...
[exit 3]
$ find ../home/.cache/cleanroom/store -mindepth 2
# Wrong words.
$ cleanroom image
cleanroom: what about images: load, ls, rm or prune?
[exit 2]
$ cleanroom image lod x
cleanroom: there is no 'cleanroom image lod', did you mean 'load'?
[exit 2]
$ cleanroom image rm
cleanroom: write it as 'cleanroom image rm REFERENCE|ID...'
[exit 2]
$ cleanroom image load nothing.tar
cleanroom: cannot open 'nothing.tar': No such file or directory
[exit 2]
$ cleanroom image load --name sha256:12ab hello.tar
cleanroom: could not load 'hello.tar': 'sha256:12ab' is an id, and cannot name another image
[exit 2]
$ CLEANROOM_IMAGE_CACHE=12 cleanroom image ls
cleanroom: CLEANROOM_IMAGE_CACHE: '12' is out of bounds: 1m at least, or 0 for no limit
[exit 2]
# What is kept in a daemon, when one is named.
$ cleanroom image ls --engine docker --host unix:///nowhere.sock
cleanroom: ...unix:///nowhere.sock...
[exit 3]
$ DOCKER_HOST=unix:///nowhere.sock cleanroom image prune
cleanroom: ...unix:///nowhere.sock...
[exit 3]
$ DOCKER_HOST=unix:///nowhere.sock cleanroom image ls --engine embedded
REFERENCE  ID               SIZE  LAST USED
...
$ cleanroom image ls --engine embedded --host unix:///nowhere.sock
cleanroom: --host names a daemon, which --engine embedded has not: leave one of them out
[exit 2]
$ cleanroom image load --engine docker hello.tar
cleanroom: images are loaded into a daemon by its own command, as 'docker load'
[exit 2]

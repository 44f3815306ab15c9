# What is there and what is lacking; 0 when some engine works, else 3.
$ cleanroom doctor --host unix:///nowhere/docker.sock
docker engine:
  no  daemon               no engine answers at unix:///nowhere/docker.sock: No such file or directory...
auto takes none: no engine answers at unix:///nowhere/docker.sock: No such file or directory...
[exit 3]
$ DOCKER_HOST=tcp:// cleanroom doctor --engine docker
docker engine:
  no  daemon               engine 'tcp://' has no host
[exit 3]
# The embedded engine alone: no daemon is asked.
$ DOCKER_HOST=unix:///nowhere/docker.sock cleanroom doctor --engine embedded | grep -c nowhere
0
[exit 1]
$ DOCKER_HOST=unix:///nowhere/docker.sock cleanroom doctor --engine embedded | head -n 1
embedded engine:
# Where images of registries cannot be had.
$ PATH=$(dirname $(command -v cleanroom)) cleanroom doctor --engine embedded
...
  --  registry tool        there is no skopeo in PATH: images only of a local Docker or Podman, and of archives (cleanroom image load)
                          -> install skopeo
...
$ cleanroom doctor now
cleanroom: 'now' is one word too many for 'cleanroom doctor'
[exit 2]

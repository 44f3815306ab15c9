# Options stand before and after the image, in every spelling.
$ cat >forklift.yaml <<END
> services: [postgres, redis]
> application_id: shop
> postgres:
>   password: hunter2
> environment:
>   COLOUR: blue
> cleanroom:
>   deploy: true
>   timeouts: {test: 5m}
> END
$ cleanroom -n4 plan --pull=never myapp:1 --no-deploy --redis.port 7000 -e A=1 -e B=2 -vv -- -k 'two words'
run ...
  image  ... myapp:1 ... command line
  application_id ... shop ... forklift.yaml:2:17
  test ... test -k 'two words'

settings
  shards ... 4 ... --shards
  deploy ... false ... --deploy
  driver ... auto ... default
  snapshots ... true ... default
  keep ... no ... default
  results ... cleanroom-results ... default
  pull ... never ... --pull
...
  timeouts.test ... 5m ... forklift.yaml:9:20
...
  verbose ... 2 ... --verbose
...
    postgres.password ... ****** ... forklift.yaml:4:13
...
    redis.port ... 7000 ... --redis.port
...
    A ... 1 ... --environment
    B ... 2 ... --environment
...
    COLOUR ... blue ... forklift.yaml:6:3
...
# Secrets are not shown.
$ cleanroom plan myapp | grep hunter2
[exit 1]
# The list of services is replaced, not added to.
$ cleanroom plan myapp --services memcache | grep '^  service '
  service ... memcache ... --services
# Sinks have no container; a proxy without a host is not in the way of a network.
$ cleanroom plan myapp --services email --services proxy | grep -A2 '^  service '
  service ... email ... --services
    port ... 25 ... default
    kept ... shard-K/mail/ ... served by cleanroom itself
  service ... proxy ... --services
    port ... 3128 ... default
    kept ... shard-K/proxy.log ... served by cleanroom itself
$ cleanroom plan myapp --services proxy --network outside | grep -iE -A1 'proxy '
  service ... proxy ... --services
    idle ... shards have a network: nothing stands in the way
$ cleanroom plan myapp --services email --email.image x
cleanroom: service 'email' (--services): override 'image' is of containers, and this service has none
[exit 2]

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
# One server for all shards, and a namespace in it for each.
$ printf 'services: [postgres, redis]\napplication_id: shop\nredis: {isolation: namespace}\n' >forklift.yaml
$ cleanroom plan myapp -n 12 --postgres.isolation namespace | grep -e shared -e namespace -e DB_D -e REDIS_DB -e databases
    postgres.isolation            namespace                               --postgres.isolation
    shared                        one for all shards, a database each     --postgres.isolation
    namespace                     psql --no-psqlrc --quiet --no-password --dbname=postgres --username=shop '--command=CREATE DATABASE "shop_01" TEMPLATE "shop"'
    redis.isolation               namespace                               forklift.yaml:3:20
    shared                        one for all shards, a database each     forklift.yaml:3:20
    DB_DEFAULT_URL                postgres://shop:******@127.0.0.1:5432/shop_01  postgres
    REDIS_DB_INDEX                0                                       redis
  DB_DEFAULT_URL
  REDIS_DB_INDEX
$ printf 'services: [postgres, nats]\nnats: {isolation: namespace}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:2:19: there are no namespaces in 'nats', so each shard needs its own; one for all can be: postgres, postgis, redis, memcache, elasticsearch, opensearch, mongodb, s3, amqp, mysql, mariadb, valkey
    nats: {isolation: namespace}
                      ^
[exit 2]
$ printf 'services: [postgres]\n' >forklift.yaml; cleanroom plan myapp --postgres.isolation pod
cleanroom: --postgres.isolation: 'pod' is neither 'shard' nor 'namespace'
[exit 2]
$ cleanroom plan myapp --postgres.isolation namespace --postgres.host db.example
cleanroom: --postgres.isolation: service 'postgres' is a server elsewhere, in which no namespaces are made; leave 'isolation' out
[exit 2]
$ cleanroom plan myapp --postgres.isolation namespace --deploy once
cleanroom: service 'postgres' is one for all shards ('isolation: namespace'), and 'deploy: once' gives each shard a copy; use 'deploy: each'
[exit 2]
# A part of the shards, for one machine of several.
$ rm forklift.yaml; cleanroom plan myapp -n 12 --slice 2/3 | grep -w slice
  slice ... 2 of 3: shards 5..8
  slice ... 2/3 ... --slice
$ CIRCLE_NODE_INDEX=2 CIRCLE_NODE_TOTAL=5 CLEANROOM_SLICE=auto cleanroom plan myapp -n 12 | grep -w slice
  slice ... 3 of 5: shards 5..7 ... CircleCI
  slice ... auto ... CLEANROOM_SLICE

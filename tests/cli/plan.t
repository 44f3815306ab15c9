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
  snapshots ... true ... default
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

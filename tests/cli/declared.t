# A service of one's own, one more of a kind, and several that are one.
$ cat >forklift.yaml <<END
> application_id: shop
> services: [postgres, reports, memcache, search]
> reports: {user: rep}
> memcache: {count: 2}
> cleanroom:
>   services:
>     reports: {service: postgres}
>     search:
>       image: typesense/typesense:0.25.2
>       command: --data-dir /data --api-key \${password}
>       ports: [8108, 8107]
>       environment: {COST: 5\$\$}
>       tmpfs: [/data]
>       files: {/etc/search.conf: 'key is \${password}'}
>       probe: {http: /health, status: 200}
>       app_environment:
>         SEARCH_URL: http://\${host}:\${port}
>         SEARCH_KEY: \${password}
> END
$ cleanroom services | tail -n 3
of this project, see 'cleanroom plan IMAGE':
reports                postgres:16  forklift.yaml:7:5
search                 typesense/typesense:0.25.2  forklift.yaml:8:5
$ cleanroom plan myapp | sed -n '/^images/,/^  app$/p'
images
  myapp                           for app
  postgres:16                     for postgres, reports
  memcached:1.6                   for memcache, memcache-2
  typesense/typesense:0.25.2      for search

shard                             1 of 1
  service                         postgres                                    forklift.yaml:2:12
    image                         postgres:16                                 default
    command                       postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB  default
    port                          5432                                        default
    ready                         when it answers at 127.0.0.2:5432
    shm                           128 MiB
    volumes                       on tmpfs                                    default
    POSTGRES_USER                 shop
    POSTGRES_PASSWORD             ******
    POSTGRES_DB                   shop
    POSTGRES_INITDB_ARGS          --no-sync --auth-host=scram-sha-256
  service                         reports                                     forklift.yaml:2:22
    defined                       postgres                                    forklift.yaml:7:5
    reports.user                  rep                                         forklift.yaml:3:17
    image                         postgres:16                                 default
    command                       postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB  default
    port                          5433                                        default
    ready                         when it answers at 127.0.0.2:5433
    shm                           128 MiB
    volumes                       on tmpfs                                    default
    POSTGRES_USER                 rep
    POSTGRES_PASSWORD             ******
    POSTGRES_DB                   shop
    POSTGRES_INITDB_ARGS          --no-sync --auth-host=scram-sha-256
    PGPORT                        5433
  service                         memcache                                    forklift.yaml:2:31
    memcache.count                2                                           forklift.yaml:4:19
    image                         memcached:1.6                               default
    command                       memcached -m 64 -p 11211                    default
    port                          11211                                       default
    ready                         when it answers at 127.0.0.1:11211
    volumes                       on tmpfs                                    default
  service                         memcache-2                                  forklift.yaml:2:31
    image                         memcached:1.6                               default
    command                       memcached -m 64 -p 11212                    default
    port                          11212                                       default
    ready                         when it answers at 127.0.0.1:11212
    volumes                       on tmpfs                                    default
  service                         search                                      forklift.yaml:2:41
    defined                       here                                        forklift.yaml:8:5
    search.image                  typesense/typesense:0.25.2                  forklift.yaml:9:14
    search.command                --data-dir /data --api-key ${password}      forklift.yaml:10:16
    image                         typesense/typesense:0.25.2                  forklift.yaml:9:14
    command                       --data-dir /data --api-key ******           forklift.yaml:10:16
    ports                         8108 8107                                   forklift.yaml:8:5
    ready                         when http://127.0.0.1:8108/health answers 200  forklift.yaml:8:5
    volumes                       on tmpfs                                    default
    tmpfs                         /data                                       forklift.yaml:8:5
    file /etc/search.conf         key is ******                               forklift.yaml:8:5
    COST                          5$                                          forklift.yaml:12:21
  app
$ cleanroom plan myapp | sed '1,/^  app$/d' | grep -v -e ' shard$' -e ' pallet$'
    DB_DEFAULT_URL                postgres://shop:******@127.0.0.1:5432/shop  postgres
    DB_REPORTS_URL                postgres://rep:******@127.0.0.1:5433/shop   reports
    MEMCACHE_HOSTS                127.0.0.1:11211|127.0.0.1:11212             memcache
    MEMCACHE_PREFIX               shop                                        memcache
    SEARCH_KEY                    ******                                      search
    SEARCH_URL                    http://127.0.0.1:8108                       search
# They are overridden like all others.
$ cleanroom plan myapp --search.image mine:1 --reports.name figures --memcache.count 3 | grep -e mine:1 -e DB_REPORTS -e MEMCACHE_HOSTS
  mine:1                          for search
    search.image                  mine:1                                        --search.image
    image                         mine:1                                        --search.image
    DB_REPORTS_URL                postgres://rep:******@127.0.0.1:5433/figures  reports
    MEMCACHE_HOSTS                127.0.0.1:11211|127.0.0.1:11212|127.0.0.1:11213  memcache
$ cleanroom plan myapp --search.port 9000 --search.host search.example --search.password abc | grep -e SEARCH -e external -e abc
    external                      nothing is started; all shards share that server
    SEARCH_KEY                    ******                                      search
    SEARCH_URL                    http://search.example:9000                  search
$ cleanroom plan myapp --search.imag x
cleanroom: --search.imag: unknown search override 'imag', did you mean 'image'?
[exit 2]
$ cleanroom plan myapp --serch.image x
cleanroom: --serch.image: unknown service 'serch', did you mean 'search'?
[exit 2]
# What is wrong has its place.
$ cat >forklift.yaml <<END
> services: [search, redis]
> cleanroom:
>   services:
>     search: {image: x, port: 6379, command: '--key \${pasword}'}
> END
$ cleanroom plan myapp
cleanroom: forklift.yaml:4:45: unknown placeholder 'pasword', did you mean 'password'?
        search: {image: x, port: 6379, command: '--key ${pasword}'}
                                                ^
[exit 2]
$ sed -i 's/ command.*pasword}./ environment: {}/' forklift.yaml; sed -i 's/\[search, redis\]/[redis, search]/' forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:4:5: services 'redis' and 'search' would both listen on port 6379 of their shard; tell 'search' its ports by ${port} in its command, environment or files, so that it can be moved, or give 'redis' another port
[exit 2]
$ printf 'cleanroom: {services: {redis: {image: x}}}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:24: 'redis' is a service already: this one needs another name
    cleanroom: {services: {redis: {image: x}}}
                           ^
[exit 2]
$ printf 'cleanroom: {services: {files: {image: x, probe: http}}}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:49: which path? Write it as {http: /health}
    cleanroom: {services: {files: {image: x, probe: http}}}
                                                    ^
[exit 2]
$ printf 'postgres: {count: 2}\n' >forklift.yaml; cleanroom plan myapp
cleanroom: forklift.yaml:1:19: there is one 'postgres' at most, since the app is told of one; define another under a name of its own, below 'cleanroom: services'
    postgres: {count: 2}
                      ^
[exit 2]

# What there is, and what each tells the app.
$ cleanroom services | head -n 6
postgres, postgresql   postgres:16
  DB_DEFAULT_URL=postgres://myapp:password@127.0.0.1:5432/myapp
  overrides: host port user password name path urls isolation
postgis                postgis/postgis:16-3.4
  DB_DEFAULT_URL=postgis://myapp:password@127.0.0.1:5432/myapp
  overrides: host port user password name path urls isolation
$ cleanroom services | tail -n 2
all with a container: image environment command memory tmpfs snapshot
see 'cleanroom services NAME'
# As many as in the table.
$ test $(cleanroom services | awk '!/^ / && !/^all / && !/^see /' | wc -l) -eq $(cleanroom services --markdown | tail -n +3 | wc -l)
# In full, and by either name.
$ cleanroom services postgresql
postgres, also called postgresql
  PostgreSQL: DB_DEFAULT_URL
  image  postgres:16
  port   5432

What the app is told, if it is 'myapp':
  DB_DEFAULT_URL=postgres://myapp:password@127.0.0.1:5432/myapp

What can be overridden, below 'postgres:' in forklift.yaml or as --postgres.KEY VALUE:
  host         TEXT   use the server there instead of starting one
  port         PORT   port of the server
  user         TEXT   user name (default: the application's id)
  password     TEXT   password (default: a random one for each shard)
  name         TEXT   database (default: the application's id)
  path         TEXT   path of the URL: the database, as '/name'
  urls         A|B    use the server at this URL instead of starting one
  image        TEXT   image to start instead of the default one
  environment  K=V    further environment of the service's container
  command      WORDS  words to run instead of the default command
  memory       TEXT   memory limit of the service's container, as 512m
  tmpfs        TEXT   'no' keeps what the image has below its VOLUMEs
  snapshot     TEXT   'no' initialises it anew in each shard
  isolation    TEXT   'namespace': one for all shards, and in it a namespace each
$ cleanroom services email
email
  mail, kept in shard-K/mail/: EMAIL_HOST, EMAIL_PORT
  image  none: served by cleanroom itself, kept in shard-K/mail/
  port   25

What the app is told, if it is 'myapp':
  EMAIL_HOST=127.0.0.1
  EMAIL_PORT=25

What can be overridden, below 'email:' in forklift.yaml or as --email.KEY VALUE:
  host         TEXT   use the mail server there instead of keeping messages
  port         PORT   port of the server
$ cleanroom services memcache | tail -n 2
  count        N      so many of it, of those that the app can be told a list of
  isolation    TEXT   'namespace': one for all shards, and in it a namespace each
$ cleanroom services mysql | head -n 5
mysql
  MySQL: DB_DEFAULT_URL
  image  mysql:8.4
  port   3306
  Not run against a real server here, but written after its documents.
# The same as a run's.
$ cleanroom plan --application-id myapp --services amqp --amqp.password password x | grep -c ' AMQP_URLS  *amqp://myapp:'
1
$ cleanroom services amqp | grep AMQP_URLS=
  AMQP_URLS=amqp://myapp:password@127.0.0.1:5672/myapp
# README's table.
$ cleanroom services --markdown | head -n 4
| `services:` | the app is told | default image |
|---|---|---|
| `postgres` (`postgresql`) | `DB_DEFAULT_URL=postgres://myapp:password@127.0.0.1:5432/myapp` | `postgres:16` |
| `postgis` | `DB_DEFAULT_URL=postgis://myapp:password@127.0.0.1:5432/myapp` | `postgis/postgis:16-3.4` |
$ cleanroom services --markdown | awk -F'|' 'NF != 5'
$ cleanroom services --markdown postgres
cleanroom: --markdown is of all services, so without 'postgres'
[exit 2]
$ cleanroom services rabitmq
cleanroom: there is no service 'rabitmq', did you mean 'rabbitmq'?
[exit 2]
$ cleanroom services xyzzyx
cleanroom: there is no service 'xyzzyx'; see 'cleanroom services'
[exit 2]
$ cleanroom services postgres redis
cleanroom: 'redis' is one word too many for 'cleanroom services'
[exit 2]

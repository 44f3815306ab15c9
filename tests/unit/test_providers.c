/* SPDX-License-Identifier: Apache-2.0 */
/* What each provider makes of each override, byte for byte. */
#include <cleanroom/provider.h>

#include "tap.h"

/* Rows of the tables leave out what they do not say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SECRET "0123456789abcdef0123456789abcdef"
#define MAX    6

struct given {
    const char *provider;
    const char *id; /* application id; NULL: "my-app" */
    struct override_value overrides[MAX];
    const char *instance;
    uint16_t shift;
};

static int make_plan(const struct given *given, struct service_plan *out, struct error *err)
{
    const struct provider *provider = provider_find(given->provider);
    struct provider_input in = {.overrides = given->overrides,
                                .application_id = given->id ? given->id : "my-app",
                                .instance = given->instance,
                                .shift = given->shift,
                                .shard = 1,
                                .secret = SECRET};

    while (in.override_count < MAX && given->overrides[in.override_count].key) {
        /* No row may use what the tables do not know: settings would have refused it. */
        check(provider_override(provider, given->overrides[in.override_count].key) != NULL);
        in.override_count++;
    }
    return provider->plan(provider, &in, out, err);
}

static const struct env_case {
    struct given given;
    const char *env;
    bool external;
} env_cases[] = {
    /* postgres */
    {{"postgres"}, "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/my_app"},
    {{"postgis"}, "DB_DEFAULT_URL=postgis://my_app:" SECRET "@127.0.0.1:5432/my_app"},
    {{"postgres", "2048Game"},
     "DB_DEFAULT_URL=postgres://two048game:" SECRET "@127.0.0.1:5432/two048game"},
    {{"postgres", "pg_dump"},
     "DB_DEFAULT_URL=postgres://app_pg_dump:" SECRET "@127.0.0.1:5432/app_pg_dump"},
    {{"postgres", "template1"},
     "DB_DEFAULT_URL=postgres://app_template1:" SECRET "@127.0.0.1:5432/app_template1"},
    {{"postgres", "caf\xc3\xa9"},
     "DB_DEFAULT_URL=postgres://caf__:" SECRET "@127.0.0.1:5432/caf__"},
    {{"postgres", ""}, "DB_DEFAULT_URL=postgres://app:" SECRET "@127.0.0.1:5432/app"},
    {{"postgres", NULL, {{"port", "5433"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5433/my_app"},
    {{"postgres", NULL, {{"user", "al ice"}, {"password", "p@ss:/w%"}, {"name", "d/b?"}}},
     "DB_DEFAULT_URL=postgres://al%20ice:p%40ss%3A%2Fw%25@127.0.0.1:5432/d%2Fb%3F"},
    {{"postgres", NULL, {{"path", "/other%20one"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/other%20one"},
    {{"postgres", NULL, {{"path", "/lost"}, {"name", "won"}}},
     "DB_DEFAULT_URL=postgres://my_app:" SECRET "@127.0.0.1:5432/won"},
    {{"postgres", NULL, {{"host", "db.example"}}},
     "DB_DEFAULT_URL=postgres://my_app@db.example:5432/my_app",
     true},
    {{"postgres", NULL, {{"host", "db.example:5544"}}},
     "DB_DEFAULT_URL=postgres://my_app@db.example:5544/my_app",
     true},
    {{"postgres", NULL, {{"host", "db.example"}, {"port", "6000"}, {"password", "x"}}},
     "DB_DEFAULT_URL=postgres://my_app:x@db.example:6000/my_app",
     true},
    {{"postgres", NULL, {{"host", "fe80::1"}}},
     "DB_DEFAULT_URL=postgres://my_app@[fe80::1]:5432/my_app",
     true},
    {{"postgres", NULL, {{"urls", "postgres://al:bo@db.example:99/n?sslmode=require"}}},
     "DB_DEFAULT_URL=postgres://al:bo@db.example:99/n?sslmode=require",
     true},
    {{"postgres", NULL, {{"urls", "postgres://db.example"}}},
     "DB_DEFAULT_URL=postgres://db.example:5432",
     true},
    {{"postgres", NULL, {{"urls", "postgres://al:b%40o@db/n"}, {"host", "other"}, {"user", "eve"}}},
     "DB_DEFAULT_URL=postgres://eve:b%40o@other:5432/n",
     true},
    {{"postgres",
      NULL,
      {{"urls", "pgsql://al:bo@db:99/n"}, {"port", "7"}, {"password", "c/d"}, {"name", "m"}}},
     "DB_DEFAULT_URL=pgsql://al:c%2Fd@db:7/m",
     true},
    {{"postgis", NULL, {{"port", "5433"}, {"user", "u"}, {"password", "p"}, {"name", "n"}}},
     "DB_DEFAULT_URL=postgis://u:p@127.0.0.1:5433/n"},
    {{"postgis", NULL, {{"host", "h:1"}, {"user", "u"}}},
     "DB_DEFAULT_URL=postgis://u@h:1/my_app",
     true},
    {{"postgis", NULL, {{"urls", "postgis://a@h/n"}, {"path", "/o"}}},
     "DB_DEFAULT_URL=postgis://a@h:5432/o",
     true},
    /* redis */
    {{"redis"}, "REDIS_HOSTS=127.0.0.1:6379\nREDIS_DB_INDEX=0"},
    {{"redis", NULL, {{"db_index", "3"}, {"port", "6380"}}},
     "REDIS_HOSTS=127.0.0.1:6380\nREDIS_DB_INDEX=3"},
    {{"redis", NULL, {{"path", "/4"}}}, "REDIS_HOSTS=127.0.0.1:6379\nREDIS_DB_INDEX=4"},
    {{"redis", NULL, {{"host", "r.example"}}},
     "REDIS_HOSTS=r.example:6379\nREDIS_DB_INDEX=0",
     true},
    {{"redis", NULL, {{"host", "r.example:1"}, {"db_index", "1"}}},
     "REDIS_HOSTS=r.example:1\nREDIS_DB_INDEX=1",
     true},
    {{"redis", NULL, {{"hosts", "a|b:7|[::1]|fe80::2"}, {"port", "5"}}},
     "REDIS_HOSTS=a:5|b:7|[::1]:5|[fe80::2]:5\nREDIS_DB_INDEX=0",
     true},
    {{"redis", NULL, {{"urls", "redis://:pw@r:8/2"}}}, "REDIS_HOSTS=r:8\nREDIS_DB_INDEX=2", true},
    {{"redis", NULL, {{"urls", "redis://r/2"}, {"db_index", "9"}, {"host", "s"}}},
     "REDIS_HOSTS=s:6379\nREDIS_DB_INDEX=9",
     true},
    /* memcache */
    {{"memcache"}, "MEMCACHE_HOSTS=127.0.0.1:11211\nMEMCACHE_PREFIX=my-app"},
    {{"memcached", NULL, {{"port", "11212"}, {"key_prefix", "k:"}}},
     "MEMCACHE_HOSTS=127.0.0.1:11212\nMEMCACHE_PREFIX=k:"},
    {{"memcache", NULL, {{"key_prefix", ""}}}, "MEMCACHE_HOSTS=127.0.0.1:11211\nMEMCACHE_PREFIX="},
    {{"memcache", NULL, {{"hosts", "a|b:2"}}},
     "MEMCACHE_HOSTS=a:11211|b:2\nMEMCACHE_PREFIX=my-app",
     true},
    {{"memcache", NULL, {{"host", "a"}, {"port", "3"}}},
     "MEMCACHE_HOSTS=a:3\nMEMCACHE_PREFIX=my-app",
     true},
    {{"memcache", NULL, {{"urls", "memcache://a/p%20q|memcache://b:4/p%20q"}}},
     "MEMCACHE_HOSTS=a:11211|b:4\nMEMCACHE_PREFIX=p q",
     true},
    {{"memcache", NULL, {{"urls", "memcache://a/p"}, {"path", "/o"}}},
     "MEMCACHE_HOSTS=a:11211\nMEMCACHE_PREFIX=o",
     true},
    /* one more of a kind, with other ports */
    {{"postgres", .instance = "re-ports", .shift = 1},
     "DB_RE_PORTS_URL=postgres://my_app:" SECRET "@127.0.0.1:5433/my_app"},
    {{"mysql", .instance = "old", .shift = 2},
     "DB_OLD_URL=mysql://my_app:" SECRET "@127.0.0.1:3308/my_app"},
    /* amqp */
    {{"amqp"}, "AMQP_URLS=amqp://my-app:" SECRET "@127.0.0.1:5672/my-app"},
    {{"rabbitmq", ""}, "AMQP_URLS=amqp://app:" SECRET "@127.0.0.1:5672/app"},
    {{"amqp", NULL, {{"port", "5673"}, {"user", "al ice"}, {"password", "p@ss"}, {"vhost", "/"}}},
     "AMQP_URLS=amqp://al%20ice:p%40ss@127.0.0.1:5673/%2F"},
    {{"amqp", NULL, {{"path", "//"}}}, "AMQP_URLS=amqp://my-app:" SECRET "@127.0.0.1:5672/%2F"},
    {{"amqp", NULL, {{"path", "/lost"}, {"vhost", "won"}}},
     "AMQP_URLS=amqp://my-app:" SECRET "@127.0.0.1:5672/won"},
    {{"amqp", NULL, {{"host", "mq.example"}}},
     "AMQP_URLS=amqp://my-app@mq.example:5672/my-app",
     true},
    {{"amqp", NULL, {{"hosts", "a|b:7|[::1]"}, {"port", "5"}, {"password", "x"}}},
     "AMQP_URLS=amqp://my-app:x@a:5/my-app|amqp://my-app:x@b:7/my-app|amqp://my-app:x@[::1]:5/"
     "my-app",
     true},
    {{"amqp", NULL, {{"urls", "amqp://u:p@a/v|amqps://w@b:99/x?heartbeat=5"}}},
     "AMQP_URLS=amqp://u:p@a:5672/v|amqps://w@b:99/x?heartbeat=5",
     true},
    {{"amqp", NULL, {{"urls", "amqp://u:p@a/v|amqp://w@b/x"}, {"hosts", "c|d"}, {"user", "e"}}},
     "AMQP_URLS=amqp://e:p@c:5672/v|amqp://e:p@d:5672/v",
     true},
    {{"amqp", NULL, {{"urls", "amqp://a|amqp://b"}, {"vhost", "v"}, {"password", "p"}}},
     "AMQP_URLS=amqp://:p@a:5672/v|amqp://:p@b:5672/v",
     true},
    {{"amqp", NULL, {{"urls", "amqp://u:p@a/v|amqp://w@b/x"}, {"user", "e"}, {"path", "/y"}}},
     "AMQP_URLS=amqp://e:p@a:5672/y|amqp://e@b:5672/y",
     true},
    {{"amqp", NULL, {{"urls", "amqp://guest:guest@a:5672//"}}},
     "AMQP_URLS=amqp://guest:guest@a:5672/%2F",
     true},
    /* mysql */
    {{"mysql"}, "DB_DEFAULT_URL=mysql://my_app:" SECRET "@127.0.0.1:3306/my_app"},
    {{"mariadb"}, "DB_DEFAULT_URL=mysql://my_app:" SECRET "@127.0.0.1:3306/my_app"},
    {{"mysql", "Root"}, "DB_DEFAULT_URL=mysql://app_root:" SECRET "@127.0.0.1:3306/app_root"},
    {{"mariadb", "a-name-that-is-longer-than-a-user-may-be"},
     "DB_DEFAULT_URL=mysql://a_name_that_is_longer_than_a_use:" SECRET
     "@127.0.0.1:3306/a_name_that_is_longer_than_a_use"},
    {{"mysql", NULL, {{"port", "3307"}, {"user", "root"}, {"password", "p@ss"}, {"name", "d/b"}}},
     "DB_DEFAULT_URL=mysql://root:p%40ss@127.0.0.1:3307/d%2Fb"},
    {{"mysql", NULL, {{"path", "/other"}}},
     "DB_DEFAULT_URL=mysql://my_app:" SECRET "@127.0.0.1:3306/other"},
    {{"mariadb", NULL, {{"host", "db:33"}, {"password", "x"}}},
     "DB_DEFAULT_URL=mysql://my_app:x@db:33/my_app",
     true},
    {{"mysql", NULL, {{"host", "db"}, {"password", "x"}}},
     "DB_DEFAULT_URL=mysql://my_app:x@db:3306/my_app",
     true},
    {{"mariadb", NULL, {{"port", "3307"}, {"user", "root"}, {"path", "/d"}}},
     "DB_DEFAULT_URL=mysql://root:" SECRET "@127.0.0.1:3307/d"},
    {{"mariadb", NULL, {{"urls", "mysql://u:p@db:1/n"}, {"name", "m"}}},
     "DB_DEFAULT_URL=mysql://u:p@db:1/m",
     true},
    {{"mysql", NULL, {{"urls", "mysql2://al:b%40o@db/n?ssl=1"}, {"user", "eve"}, {"port", "9"}}},
     "DB_DEFAULT_URL=mysql2://eve:b%40o@db:9/n?ssl=1",
     true},
    /* valkey */
    {{"valkey"}, "REDIS_HOSTS=127.0.0.1:6379\nREDIS_DB_INDEX=0"},
    {{"valkey", NULL, {{"hosts", "a|b:7"}, {"db_index", "2"}}},
     "REDIS_HOSTS=a:6379|b:7\nREDIS_DB_INDEX=2",
     true},
    {{"valkey", NULL, {{"port", "6380"}, {"path", "/4"}}},
     "REDIS_HOSTS=127.0.0.1:6380\nREDIS_DB_INDEX=4"},
    {{"valkey", NULL, {{"host", "v"}}}, "REDIS_HOSTS=v:6379\nREDIS_DB_INDEX=0", true},
    {{"valkey", NULL, {{"urls", "redis://v/3"}}}, "REDIS_HOSTS=v:6379\nREDIS_DB_INDEX=3", true},
    /* mosquitto */
    {{"mosquitto"}, "MQTT_URL=mqtt://127.0.0.1:1883"},
    {{"mqtt", NULL, {{"port", "1884"}}}, "MQTT_URL=mqtt://127.0.0.1:1884"},
    {{"mosquitto", NULL, {{"host", "b"}, {"user", "u"}, {"password", "p/"}}},
     "MQTT_URL=mqtt://u:p%2F@b:1883",
     true},
    {{"mosquitto", NULL, {{"urls", "mqtts://u:p@b:8883"}}}, "MQTT_URL=mqtts://u:p@b:8883", true},
    /* nats */
    {{"nats"}, "NATS_URL=nats://127.0.0.1:4222"},
    {{"nats", NULL, {{"port", "4223"}}}, "NATS_URL=nats://127.0.0.1:4223"},
    {{"nats", NULL, {{"host", "n:1"}, {"user", "u"}}}, "NATS_URL=nats://u@n:1", true},
    {{"nats", NULL, {{"host", "n"}, {"user", "u"}, {"password", "p"}}},
     "NATS_URL=nats://u:p@n:4222",
     true},
    {{"nats", NULL, {{"urls", "tls://u:p@n"}, {"host", "m"}}}, "NATS_URL=tls://u:p@m:4222", true},
    /* email */
    {{"email"}, "EMAIL_HOST=127.0.0.1\nEMAIL_PORT=25"},
    {{"email", NULL, {{"port", "2525"}}}, "EMAIL_HOST=127.0.0.1\nEMAIL_PORT=2525"},
    {{"email", NULL, {{"host", "mx.example"}}}, "EMAIL_HOST=mx.example\nEMAIL_PORT=25", true},
    {{"email", NULL, {{"host", "mx.example"}, {"port", "587"}}},
     "EMAIL_HOST=mx.example\nEMAIL_PORT=587",
     true},
    {{"email", NULL, {{"host", "mx:26"}, {"port", "587"}}}, "EMAIL_HOST=mx\nEMAIL_PORT=26", true},
    {{"email", NULL, {{"host", "fe80::1"}}}, "EMAIL_HOST=fe80::1\nEMAIL_PORT=25", true},
    /* syslog */
    {{"syslog"}, "SYSLOG_SERVER=127.0.0.1\nSYSLOG_PORT=514\nSYSLOG_PROTO=udp"},
    {{"syslog", NULL, {{"proto", "TCP"}, {"port", "1514"}}},
     "SYSLOG_SERVER=127.0.0.1\nSYSLOG_PORT=1514\nSYSLOG_PROTO=tcp"},
    {{"syslog", NULL, {{"host", "log.example"}}},
     "SYSLOG_SERVER=log.example\nSYSLOG_PORT=514\nSYSLOG_PROTO=udp",
     true},
    {{"syslog", NULL, {{"host", "log.example:6514"}, {"proto", "tcp"}}},
     "SYSLOG_SERVER=log.example\nSYSLOG_PORT=6514\nSYSLOG_PROTO=tcp",
     true},
    /* proxy: by hand as Forklift had it; ours for all clients, but not for the app's services */
    {{"proxy", NULL, {{"host", "p.example"}, {"port", "8080"}}},
     "HTTP_PROXY=http://p.example:8080",
     true},
    {{"proxy", NULL, {{"host", "[::1]:81"}}}, "HTTP_PROXY=http://[::1]:81", true},
    {{"proxy", NULL, {{"host", "p.example"}}}, "HTTP_PROXY=http://p.example:3128", true},
    {{"proxy"},
     "HTTP_PROXY=http://127.0.0.1:3128\nHTTPS_PROXY=http://127.0.0.1:3128\n"
     "http_proxy=http://127.0.0.1:3128\nhttps_proxy=http://127.0.0.1:3128\n"
     "NO_PROXY=127.0.0.1,localhost\nno_proxy=127.0.0.1,localhost"},
    /* elasticsearch, opensearch */
    {{"elasticsearch"},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9200\nELASTICSEARCH_INDEX_NAME=my-app"},
    {{"opensearch"}, "OPENSEARCH_URLS=http://127.0.0.1:9200\nOPENSEARCH_INDEX_NAME=my-app"},
    {{"elasticsearch", "_My App/2.0*"},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9200\nELASTICSEARCH_INDEX_NAME=app_my_app_2.0_"},
    {{"elasticsearch", ".x"},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9200\nELASTICSEARCH_INDEX_NAME=app.x"},
    {{"elasticsearch", ""},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9200\nELASTICSEARCH_INDEX_NAME=app"},
    {{"elasticsearch", NULL, {{"port", "9201"}, {"index_name", "Given_"}}},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9201\nELASTICSEARCH_INDEX_NAME=Given_"},
    {{"elasticsearch", NULL, {{"path", "search"}}},
     "ELASTICSEARCH_URLS=http://127.0.0.1:9200/search\nELASTICSEARCH_INDEX_NAME=my-app"},
    {{"elasticsearch", NULL, {{"host", "es.example"}}},
     "ELASTICSEARCH_URLS=http://es.example:9200\nELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"opensearch", NULL, {{"hosts", "a|b:7|fe80::2"}, {"port", "5"}}},
     "OPENSEARCH_URLS=http://a:5|http://b:7|http://[fe80::2]:5\nOPENSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"urls", "http://h:9200|https://u:p%40w@h2/es"}}},
     "ELASTICSEARCH_URLS=http://h:9200|https://u:p%40w@h2:9200/es\n"
     "ELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"urls", "https://u:p@a:1/x?y"}, {"host", "b|c:3"}, {"path", "/z"}}},
     "ELASTICSEARCH_URLS=https://u:p@b:1/z?y|https://u:p@c:3/z?y\n"
     "ELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"urls", "http://a:1|http://b"}, {"port", "2"}, {"path", ""}}},
     "ELASTICSEARCH_URLS=http://a:2|http://b:2\nELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"hosts", "a|b:7"}, {"user", "u"}, {"password", "p/w"}}},
     "ELASTICSEARCH_URLS=http://u:p%2Fw@a:9200|http://u:p%2Fw@b:7\n"
     "ELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"urls", "https://u:p@a:1|https://b:2"}, {"user", "e"}}},
     "ELASTICSEARCH_URLS=https://e:p@a:1|https://e@b:2\nELASTICSEARCH_INDEX_NAME=my-app",
     true},
    {{"elasticsearch", NULL, {{"user", "u"}, {"password", "p"}}},
     "ELASTICSEARCH_URLS=http://u:p@127.0.0.1:9200\nELASTICSEARCH_INDEX_NAME=my-app"},
    {{"opensearch", NULL, {{"host", "o"}, {"index_name", "i"}, {"path", "/p"}}},
     "OPENSEARCH_URLS=http://o:9200/p\nOPENSEARCH_INDEX_NAME=i",
     true},
    {{"opensearch", NULL, {{"urls", "https://o:1"}, {"user", "u"}, {"password", "p"}}},
     "OPENSEARCH_URLS=https://u:p@o:1\nOPENSEARCH_INDEX_NAME=my-app",
     true},
    /* mongodb */
    {{"mongodb"},
     "MONGODB_URL=mongodb://my-app:" SECRET "@127.0.0.1:27017/my-app?authSource=admin"},
    {{"mongo", "Admin"},
     "MONGODB_URL=mongodb://app_Admin:" SECRET "@127.0.0.1:27017/app_Admin?authSource=admin"},
    {{"mongodb", "a b.c$"},
     "MONGODB_URL=mongodb://a_b_c_:" SECRET "@127.0.0.1:27017/a_b_c_?authSource=admin"},
    {{"mongodb", ""}, "MONGODB_URL=mongodb://app:" SECRET "@127.0.0.1:27017/app?authSource=admin"},
    {{"mongodb",
      NULL,
      {{"port", "27018"}, {"user", "al ice"}, {"password", "p@ss:/w%"}, {"name", "d-b"}}},
     "MONGODB_URL=mongodb://al%20ice:p%40ss%3A%2Fw%25@127.0.0.1:27018/d-b?authSource=admin"},
    {{"mongodb", NULL, {{"path", "/other%2Bone"}}},
     "MONGODB_URL=mongodb://my-app:" SECRET "@127.0.0.1:27017/other%2Bone?authSource=admin"},
    {{"mongodb", NULL, {{"path", "/lost"}, {"name", "won"}}},
     "MONGODB_URL=mongodb://my-app:" SECRET "@127.0.0.1:27017/won?authSource=admin"},
    {{"mongodb", NULL, {{"host", "m.example"}}},
     "MONGODB_URL=mongodb://m.example:27017/my-app",
     true},
    {{"mongodb", NULL, {{"hosts", "a|b:7|[::1]"}, {"user", "u"}, {"password", "p"}}},
     "MONGODB_URL=mongodb://u:p@a:27017,b:7,[::1]:27017/my-app",
     true},
    {{"mongodb", NULL, {{"urls", "mongodb+srv://al:bo@cluster.example/n?retryWrites=true"}}},
     "MONGODB_URL=mongodb+srv://al:bo@cluster.example/n?retryWrites=true",
     true},
    {{"mongodb", NULL, {{"urls", "mongodb://al:b%40o@a:1,b,c:3/?replicaSet=rs"}}},
     "MONGODB_URL=mongodb://al:b%40o@a:1,b,c:3/?replicaSet=rs",
     true},
    {{"mongodb", NULL, {{"urls", "mongodb://a,b:2"}}}, "MONGODB_URL=mongodb://a,b:2", true},
    {{"mongodb",
      NULL,
      {{"urls", "mongodb://al:bo@a:1,b/n?x=y"},
       {"port", "7"},
       {"user", "eve"},
       {"password", "c/d"},
       {"name", "m"}}},
     "MONGODB_URL=mongodb://eve:c%2Fd@a:7,b:7/m?x=y",
     true},
    {{"mongodb", NULL, {{"urls", "mongodb://al:bo@a/n"}, {"host", "z"}, {"path", "/o"}}},
     "MONGODB_URL=mongodb://al:bo@z:27017/o",
     true},
    /* s3 */
    {{"s3"},
     "S3_ENDPOINT_URL=http://127.0.0.1:9000\nAWS_ENDPOINT_URL_S3=http://127.0.0.1:9000\n"
     "AWS_ACCESS_KEY_ID=cleanroom\nAWS_SECRET_ACCESS_KEY=" SECRET "\nAWS_REGION=us-east-1\n"
     "AWS_DEFAULT_REGION=us-east-1\nS3_BUCKET=my-app"},
    {{"minio",
      "-My_App!",
      {{"port", "9002"}, {"access_key", "AK/1"}, {"secret_key", "s3cr/t 8"}, {"region", "eu-x-1"}}},
     "S3_ENDPOINT_URL=http://127.0.0.1:9002\nAWS_ENDPOINT_URL_S3=http://127.0.0.1:9002\n"
     "AWS_ACCESS_KEY_ID=AK/1\nAWS_SECRET_ACCESS_KEY=s3cr/t 8\nAWS_REGION=eu-x-1\n"
     "AWS_DEFAULT_REGION=eu-x-1\nS3_BUCKET=my-app"},
    {{"s3", "x", {{"bucket", "files.example"}}},
     "S3_ENDPOINT_URL=http://127.0.0.1:9000\nAWS_ENDPOINT_URL_S3=http://127.0.0.1:9000\n"
     "AWS_ACCESS_KEY_ID=cleanroom\nAWS_SECRET_ACCESS_KEY=" SECRET "\nAWS_REGION=us-east-1\n"
     "AWS_DEFAULT_REGION=us-east-1\nS3_BUCKET=files.example"},
    {{"s3", NULL, {{"host", "m.example"}}},
     "S3_ENDPOINT_URL=http://m.example:9000\nAWS_ENDPOINT_URL_S3=http://m.example:9000\n"
     "S3_BUCKET=my-app",
     true},
    {{"s3", "x", {{"urls", "https://AK:s%2Fk@s3.eu.example/p"}, {"region", "eu"}}},
     "S3_ENDPOINT_URL=https://s3.eu.example/p\nAWS_ENDPOINT_URL_S3=https://s3.eu.example/p\n"
     "AWS_ACCESS_KEY_ID=AK\nAWS_SECRET_ACCESS_KEY=s/k\nAWS_REGION=eu\nAWS_DEFAULT_REGION=eu\n"
     "S3_BUCKET=app-x",
     true},
    {{"s3", "", {{"urls", "https://AK:sk@a:1"}, {"host", "b"}, {"port", "2"}, {"access_key", "x"}}},
     "S3_ENDPOINT_URL=https://b:2\nAWS_ENDPOINT_URL_S3=https://b:2\nAWS_ACCESS_KEY_ID=x\n"
     "AWS_SECRET_ACCESS_KEY=sk\nS3_BUCKET=app",
     true},
    /* kafka */
    {{"kafka"}, "KAFKA_BROKERS=127.0.0.1:9092"},
    {{"kafka", NULL, {{"port", "9192"}}}, "KAFKA_BROKERS=127.0.0.1:9192"},
    {{"kafka", NULL, {{"host", "k.example"}}}, "KAFKA_BROKERS=k.example:9092", true},
    {{"kafka", NULL, {{"hosts", "a|b:7|[::1]"}, {"port", "5"}}},
     "KAFKA_BROKERS=a:5,b:7,[::1]:5",
     true},
    {{"kafka", NULL, {{"urls", "kafka://a:1|kafka://b"}}}, "KAFKA_BROKERS=a:1,b:9092", true},
};

static void test_app_environment(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(env_cases); i++) {
        const struct env_case *c = &env_cases[i];
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&c->given, &plan, &err), 0);
        _cleanup_free_ char *env = strvec_join(&plan.app_env, "\n");
        check_str(env, c->env);
        check_int(plan.external, c->external);
        check((plan.image == NULL) == (c->external || plan.sink));
        check(!(c->external && plan.sink));
        check_int(err.kind, ERROR_NONE);
        service_plan_deinit(&plan);
    }
}

static bool has_row(const struct provider *provider, const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(env_cases); i++) {
        const struct given *given = &env_cases[i].given;
        if (provider_find(given->provider) != provider)
            continue;
        for (size_t j = 0; j < MAX && given->overrides[j].key; j++) {
            if (strcmp(given->overrides[j].key, key) == 0)
                return true;
        }
    }
    return false;
}

/* The table above is complete: what it does not show is not promised. */
static void test_every_override_has_a_row(void)
{
    for (size_t i = 0; i < provider_count; i++) {
        for (size_t j = 0; j < providers[i]->override_count; j++) {
            const char *key = providers[i]->overrides[j].key;
            if (!has_row(providers[i], key))
                check_str(providers[i]->name, key);
        }
    }
}

/* What Forklift's services took (its README and forklift/services): a forklift.yaml that has them
   is read on, every one in the table above. */
static const struct {
    const char *provider, *overrides;
} forklift[] = {
    {"postgres", "host port user password name path urls"},
    {"postgis", "host port user password name path urls"},
    {"elasticsearch", "host port user password path urls index_name"},
    {"memcache", "host hosts key_prefix"},
    {"redis", "host port path urls db_index"},
    {"amqp", "host hosts port user password path urls vhost"},
    {"email", "host port"},
    {"syslog", "host port proto"},
    {"proxy", "host port"},
};

static void test_overrides_of_forklift(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(forklift); i++) {
        _cleanup_strvec_ struct strvec keys = STRVEC_INIT;
        const struct provider *provider = provider_find(forklift[i].provider);
        strvec_split(&keys, forklift[i].overrides, " ");
        for (size_t j = 0; j < keys.len; j++)
            check(provider_override(provider, keys.items[j]) != NULL);
    }
}

static const struct error_case {
    struct given given;
    const char *message;
} error_cases[] = {
    {{"postgres", NULL, {{"urls", "postgres://a/b|postgres://c/d"}}}, "DB_DEFAULT_URL holds one"},
    {{"postgres", NULL, {{"urls", ""}}}, "has 0"},
    {{"postgres", NULL, {{"urls", "db.example"}}}, "override 'urls': a URL must begin"},
    {{"postgres", NULL, {{"urls", "postgres://a:99999/b"}}}, "'99999' is not a port"},
    {{"postgres", NULL, {{"urls", "postgres://[::1/b"}}}, "no closing bracket"},
    {{"postgres", NULL, {{"host", ":5432"}}}, "a host is missing in ':5432'"},
    {{"postgres", NULL, {{"host", "[::1]x"}}}, "'x' after a host is not ':port'"},
    {{"postgres", NULL, {{"password", ""}}}, "must not be empty"},
    {{"postgres", NULL, {{"user", ""}}}, "must not be empty"},
    {{"postgres", NULL, {{"image", ""}}}, "override 'image' is empty"},
    {{"postgres", NULL, {{"memory", "lots"}}}, "override 'memory': 'lots' is not a size"},
    {{"postgres", NULL, {{"memory", "9999999999999999t"}}}, "is not a size"},
    {{"postgres", NULL, {{"tmpfs", "maybe"}}}, "'maybe' is neither yes nor no"},
    {{"postgres", NULL, {{"command", "a 'b"}}}, "a quotation mark (') is not closed"},
    {{"postgres", NULL, {{"command", "  "}}}, "override 'command' is empty"},
    {{"redis", NULL, {{"host", "|"}}}, "the list of hosts is empty"},
    {{"redis", NULL, {{"host", "a:b"}}}, "override 'host': 'b' is not a port"},
    {{"redis", NULL, {{"path", "/one"}}}, "'one' is not the number of a database"},
    {{"redis", NULL, {{"urls", "redis:///1"}}}, "a URL has no host"},
    {{"memcache", NULL, {{"hosts", "a|:1"}}}, "a host is missing"},
    {{"amqp", NULL, {{"hosts", "|"}}}, "the list of hosts is empty"},
    {{"amqp", NULL, {{"urls", "|"}}}, "the list of hosts is empty"},
    {{"amqp", NULL, {{"hosts", "a|:1"}}}, "override 'host': a host is missing in ':1'"},
    {{"amqp", NULL, {{"urls", "amqp://a|b"}}}, "override 'urls': a URL must begin"},
    {{"amqp", NULL, {{"vhost", ""}}}, "user, password and vhost must not be empty"},
    {{"mysql", NULL, {{"urls", "mysql://a|mysql://b"}}}, "DB_DEFAULT_URL holds one"},
    {{"mariadb", NULL, {{"password", ""}}}, "user, password and name must not be empty"},
    {{"nats", NULL, {{"urls", "nats://a|nats://b"}}}, "NATS_URL holds one"},
    {{"nats", NULL, {{"user", "u"}}}, "lets everybody in"},
    {{"mosquitto", NULL, {{"password", "p"}}}, "lets everybody in"},
    {{"email", NULL, {{"host", ""}}}, "override 'host': a host is missing"},
    {{"email", NULL, {{"image", "x"}}}, "override 'image' is of containers, and this service has"},
    {{"proxy", NULL, {{"host", "p"}, {"memory", "1g"}}}, "override 'memory' is of containers"},
    {{"syslog", NULL, {{"proto", "tls"}}}, "override 'proto' is udp or tcp, not 'tls'"},
    {{"elasticsearch", NULL, {{"urls", ""}}}, "the list of URLs is empty"},
    {{"elasticsearch", NULL, {{"hosts", "|"}}}, "the list of hosts is empty"},
    {{"elasticsearch", NULL, {{"urls", "h:9200"}}}, "override 'urls': a URL must begin"},
    {{"opensearch", NULL, {{"urls", "http://"}}}, "a URL has no host"},
    {{"opensearch", NULL, {{"host", "a:b"}}}, "override 'host': 'b' is not a port"},
    {{"mongodb", NULL, {{"urls", "mongodb://a|mongodb://b"}}}, "MONGODB_URL holds one"},
    {{"mongodb", NULL, {{"urls", "a:27017"}}}, "override 'urls': a URL must begin"},
    {{"mongodb", NULL, {{"urls", "mongodb:///n"}}}, "a URL has no host"},
    {{"mongodb", NULL, {{"urls", "mongodb://a,b:x/n"}, {"port", "1"}}}, "'x' is not a port"},
    {{"mongodb", NULL, {{"hosts", "|"}}}, "the list of hosts is empty"},
    {{"mongodb", NULL, {{"host", "h"}, {"password", "p"}}}, "override 'password' needs a user"},
    {{"mongodb", NULL, {{"password", ""}}}, "must not be empty"},
    {{"mongodb", NULL, {{"path", "/"}}}, "must not be empty"},
    {{"s3", NULL, {{"urls", "http://a|http://b"}}}, "S3_ENDPOINT_URL holds one"},
    {{"s3", NULL, {{"urls", "http:///b"}}}, "a URL has no host"},
    {{"s3", NULL, {{"access_key", "ab"}}}, "at least 3 characters"},
    {{"s3", NULL, {{"secret_key", "1234567"}}}, "at least 8 characters"},
    {{"s3", NULL, {{"bucket", "a/../b"}}}, "'a/../b' is not a bucket's name"},
    {{"s3", NULL, {{"bucket", "ab"}}}, "is not a bucket's name"},
    {{"s3", NULL, {{"bucket", "a..b"}}}, "is not a bucket's name"},
    {{"s3", NULL, {{"bucket", "-abc"}}}, "is not a bucket's name"},
    {{"kafka", NULL, {{"hosts", "|"}}}, "the list of hosts is empty"},
};

static void test_errors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(error_cases); i++) {
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&error_cases[i].given, &plan, &err), -1);
        check_int(err.kind, ERROR_CONFIG);
        check_contains(err.message, error_cases[i].message);
        service_plan_deinit(&plan);
    }
}

/* A bad URL may hold a password: the message must not repeat it. */
static void test_error_hides_password(void)
{
    struct service_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    check_int(
        make_plan(&(struct given){"postgres", NULL, {{"urls", "me:hunter2@db/x"}}}, &plan, &err),
        -1);
    check(err.message && !strstr(err.message, "hunter2"));
    service_plan_deinit(&plan);
}

#define MYSQL_ARGV "--skip-log-bin|--innodb-flush-log-at-trx-commit=0|--skip-innodb-doublewrite"

static const struct container_case {
    struct given given;
    const char *argv; /* joined by "|" */
    const char *env;  /* joined by "|" */
    const char *arg;
    uint64_t memory;
    bool tmpfs;
} container_cases[] = {
    {{"postgres"},
     "postgres|-c|fsync=off|-c|synchronous_commit=off|-c|full_page_writes=off|-c|"
     "max_wal_size=256MB",
     "POSTGRES_USER=my_app|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=my_app|"
     "POSTGRES_INITDB_ARGS=--no-sync --auth-host=scram-sha-256",
     "my_app/my_app",
     0,
     true},
    {{"postgres",
      NULL,
      {{"port", "5433"},
       {"user", "a b"},
       {"name", "c/d"},
       {"tmpfs", "No"},
       {"memory", "512m"},
       {"command", "postgres -c 'a b=\"c' \"d \\\" e\" f\\ g ''"}}},
     "postgres|-c|a b=\"c|d \" e|f g|",
     "POSTGRES_USER=a b|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=c/d|"
     "POSTGRES_INITDB_ARGS=--no-sync --auth-host=scram-sha-256|PGPORT=5433",
     "a%20b/c%2Fd",
     UINT64_C(512) << 20,
     false},
    {{"postgres", NULL, {{"environment", "POSTGRES_INITDB_ARGS=\nTZ=UTC\nX=a=b"}}},
     "postgres|-c|fsync=off|-c|synchronous_commit=off|-c|full_page_writes=off|-c|"
     "max_wal_size=256MB",
     "POSTGRES_USER=my_app|POSTGRES_PASSWORD=" SECRET "|POSTGRES_DB=my_app|"
     "POSTGRES_INITDB_ARGS=|TZ=UTC|X=a=b",
     "my_app/my_app",
     0,
     true},
    {{"redis"}, "redis-server|--save||--appendonly|no", "", "", 0, true},
    {{"redis", NULL, {{"port", "7000"}, {"db_index", "20"}, {"memory", "1g"}}},
     "redis-server|--save||--appendonly|no|--port|7000|--databases|21",
     "",
     "",
     UINT64_C(1) << 30,
     true},
    {{"memcache"}, "memcached|-m|64|-p|11211", "", "", 0, true},
    {{"memcache", NULL, {{"port", "1"}, {"environment", "A=b"}, {"memory", "1048576"}}},
     "memcached|-m|64|-p|1",
     "A=b",
     "",
     1048576,
     true},
    {{"valkey"}, "valkey-server|--save||--appendonly|no", "", "", 0, true},
    {{"amqp"},
     "rabbitmq-server",
     "RABBITMQ_DEFAULT_USER=my-app|RABBITMQ_DEFAULT_PASS=" SECRET
     "|RABBITMQ_DEFAULT_VHOST=my-app|RABBITMQ_NODENAME=rabbit@localhost",
     "",
     0,
     true},
    {{"amqp", NULL, {{"port", "5700"}}},
     "rabbitmq-server",
     "RABBITMQ_DEFAULT_USER=my-app|RABBITMQ_DEFAULT_PASS=" SECRET
     "|RABBITMQ_DEFAULT_VHOST=my-app|RABBITMQ_NODENAME=rabbit@localhost|"
     "RABBITMQ_NODE_PORT=5700|RABBITMQ_DIST_PORT=25672",
     "",
     0,
     true},
    {{"amqp", .shift = 1},
     "rabbitmq-server",
     "RABBITMQ_DEFAULT_USER=my-app|RABBITMQ_DEFAULT_PASS=" SECRET
     "|RABBITMQ_DEFAULT_VHOST=my-app|RABBITMQ_NODENAME=rabbit@localhost|"
     "RABBITMQ_NODE_PORT=5673|RABBITMQ_DIST_PORT=25673|ERL_EPMD_PORT=4370|"
     "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbitmq_prometheus tcp_config [{port,15693}]",
     "",
     0,
     true},
    {{"mysql"},
     "mysqld|" MYSQL_ARGV "|--loose-innodb-redo-log-capacity=32M",
     "MYSQL_RANDOM_ROOT_PASSWORD=yes|MYSQL_USER=my_app|MYSQL_PASSWORD=" SECRET
     "|MYSQL_DATABASE=my_app|MYSQL_INITDB_SKIP_TZINFO=yes",
     "",
     0,
     true},
    {{"mysql", .shift = 1},
     "mysqld|" MYSQL_ARGV "|--loose-innodb-redo-log-capacity=32M|--port=3307|"
     "--loose-mysqlx-port=33061",
     "MYSQL_RANDOM_ROOT_PASSWORD=yes|MYSQL_USER=my_app|MYSQL_PASSWORD=" SECRET
     "|MYSQL_DATABASE=my_app|MYSQL_INITDB_SKIP_TZINFO=yes",
     "",
     0,
     true},
    {{"mariadb", NULL, {{"user", "root"}, {"port", "1"}, {"environment", "MARIADB_DATABASE=x"}}},
     "mariadbd|" MYSQL_ARGV "|--innodb-log-file-size=32M|--port=1",
     "MARIADB_ROOT_PASSWORD=" SECRET "|MARIADB_DATABASE=x|MARIADB_INITDB_SKIP_TZINFO=yes",
     "",
     0,
     true},
    {{"mosquitto"}, "mosquitto|-c|/mosquitto-no-auth.conf", "", "", 0, true},
    {{"mosquitto", .shift = 3}, "mosquitto|-p|1886", "", "", 0, true},
    {{"nats"}, "--port|4222", "", "", 0, true},
    {{"nats", NULL, {{"command", "--jetstream"}}}, "--jetstream", "", "", 0, true},
    {{"elasticsearch"},
     "",
     "discovery.type=single-node|cluster.routing.allocation.disk.threshold_enabled=false|"
     "http.port=9200|transport.port=9300|ES_JAVA_OPTS=-Xms512m -Xmx512m|"
     "xpack.security.enabled=false",
     "",
     0,
     true},
    {{"elasticsearch", NULL, {{"environment", "ES_JAVA_OPTS=-Xmx1g"}, {"port", "9201"}}},
     "",
     "discovery.type=single-node|cluster.routing.allocation.disk.threshold_enabled=false|"
     "http.port=9201|transport.port=9300|ES_JAVA_OPTS=-Xmx1g|xpack.security.enabled=false",
     "",
     0,
     true},
    {{"opensearch"},
     "",
     "discovery.type=single-node|cluster.routing.allocation.disk.threshold_enabled=false|"
     "http.port=9200|transport.port=9300|OPENSEARCH_JAVA_OPTS=-Xms512m -Xmx512m|"
     "network.host=0.0.0.0|DISABLE_SECURITY_PLUGIN=true|DISABLE_INSTALL_DEMO_CONFIG=true|"
     "DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI=true",
     "",
     0,
     true},
    {{"mongodb", NULL, {{"password", "p@ss"}, {"port", "27018"}}},
     "mongod|--bind_ip_all|--wiredTigerCacheSizeGB|0.25|--port|27018",
     "MONGO_INITDB_ROOT_USERNAME=my-app|MONGO_INITDB_ROOT_PASSWORD=p@ss|"
     "MONGO_INITDB_DATABASE=my-app",
     "",
     0,
     true},
    {{"s3", NULL, {{"bucket", "files"}}},
     "server|/data|--address|:9000|--console-address|:9001",
     "MINIO_ROOT_USER=cleanroom|MINIO_ROOT_PASSWORD=" SECRET,
     "",
     0,
     true},
    {{"kafka", NULL, {{"port", "9192"}, {"environment", "KAFKA_NUM_PARTITIONS=3"}}},
     "",
     "KAFKA_NODE_ID=1|KAFKA_PROCESS_ROLES=broker,controller|"
     "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER|"
     "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT|"
     "KAFKA_INTER_BROKER_LISTENER_NAME=PLAINTEXT|KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1|"
     "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1|KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1|"
     "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR=1|"
     "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR=1|KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0|"
     "KAFKA_LOG_DIRS=/tmp/kraft-combined-logs|KAFKA_HEAP_OPTS=-Xms256m -Xmx512m|"
     "KAFKA_LISTENERS=PLAINTEXT://:9192,CONTROLLER://127.0.0.1:9093|"
     "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:9192|"
     "KAFKA_CONTROLLER_QUORUM_VOTERS=1@127.0.0.1:9093|KAFKA_NUM_PARTITIONS=3",
     "",
     0,
     true},
};

static void test_container(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(container_cases); i++) {
        const struct container_case *c = &container_cases[i];
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        check_int(make_plan(&c->given, &plan, &err), 0);
        _cleanup_free_ char *argv = strvec_join(&plan.argv, "|");
        _cleanup_free_ char *env = strvec_join(&plan.env, "|");
        check_str(argv, c->argv);
        check_str(env, c->env);
        check_str(plan.probe_arg, c->arg);
        check_int(plan.memory, c->memory);
        check_int(plan.tmpfs_volumes, c->tmpfs);
        service_plan_deinit(&plan);
    }
}

static const struct sink_case {
    struct given given;
    enum sink_kind sink;
    int port;
} sink_cases[] = {
    {{"email"}, SINK_SMTP, 25},
    {{"email", NULL, {{"port", "2525"}}}, SINK_SMTP, 2525},
    {{"syslog"}, SINK_SYSLOG_UDP, 514},
    {{"syslog", NULL, {{"proto", "udp"}}}, SINK_SYSLOG_UDP, 514},
    {{"syslog", NULL, {{"proto", "tcp"}}}, SINK_SYSLOG_TCP, 514},
    {{"proxy", NULL, {{"port", "8"}}}, SINK_PROXY, 8},
    {{"redis"}, SINK_NONE, 6379},
};

static void test_sinks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sink_cases); i++) {
        const struct sink_case *c = &sink_cases[i];
        struct service_plan plan = {0};

        check_int(make_plan(&c->given, &plan, NULL), 0);
        check_int(plan.sink, c->sink);
        check_int(plan.port, c->port);
        check(!plan.external && !plan.idle && plan.snapshot);
        service_plan_deinit(&plan);
    }
}

/* A proxy without a host is not in the way of shards that have a network; a given one is used. */
static void test_proxy_outside(void)
{
    const struct provider *proxy = provider_find("proxy");
    const struct override_value host = {"host", "p.example"};
    struct provider_input in = {.application_id = "a", .outside = true, .shard = 1};
    struct service_plan idle = {0}, given = {0};

    check_int(proxy->plan(proxy, &in, &idle, NULL), 0);
    check(idle.external && idle.idle && idle.sink == SINK_NONE);
    check_int(idle.app_env.len, 0);
    in.overrides = &host;
    in.override_count = 1;
    check_int(proxy->plan(proxy, &in, &given, NULL), 0);
    check(given.external && !given.idle);
    check_int(given.app_env.len, 1);
    service_plan_deinit(&idle);
    service_plan_deinit(&given);
}

/* Another of a kind beside the first, whose usual port is taken. */
static void test_sink_shift(void)
{
    const struct provider *email = provider_find("email");
    const struct provider_input in = {.application_id = "a", .shift = 1, .shard = 1};
    struct service_plan plan = {0};

    check_int(email->plan(email, &in, &plan, NULL), 0);
    check_int(plan.port, 26);
    check_str(strvec_getenv(&plan.app_env, "EMAIL_PORT"), "26");
    service_plan_deinit(&plan);
}

static const struct image_case {
    const char *provider, *image;
    int port;
} image_cases[] = {
    {"postgres", "postgres:16", 5432},
    {"postgis", "postgis/postgis:16-3.4", 5432},
    {"redis", "redis:7", 6379},
    {"memcache", "memcached:1.6", 11211},
    {"email", NULL, 25},
    {"syslog", NULL, 514},
    {"proxy", NULL, 3128},
    {"elasticsearch", "elasticsearch:8.17.0", 9200},
    {"opensearch", "opensearchproject/opensearch:2", 9200},
    {"mongodb", "mongo:7", 27017},
    {"s3", "minio/minio:RELEASE.2025-04-22T22-12-26Z", 9000},
    {"kafka", "apache/kafka:3.9.1", 9092},
    {"amqp", "rabbitmq:4", 5672},
    {"mysql", "mysql:8.4", 3306},
    {"mariadb", "mariadb:11.4", 3306},
    {"valkey", "valkey/valkey:8", 6379},
    {"mosquitto", "eclipse-mosquitto:2", 1883},
    {"nats", "nats:2", 4222},
};

static void test_images(void)
{
    check_int(provider_count, ARRAY_SIZE(image_cases));
    for (size_t i = 0; i < ARRAY_SIZE(image_cases); i++) {
        struct service_plan plan = {0}, other = {0};

        check_str(providers[i]->name, image_cases[i].provider);
        check_int(make_plan(&(struct given){image_cases[i].provider}, &plan, NULL), 0);
        check_str(plan.image, image_cases[i].image);
        check_int(plan.port, image_cases[i].port);
        if (!image_cases[i].image) {
            service_plan_deinit(&plan);
            continue;
        }
        check_int(make_plan(&(struct given){image_cases[i].provider, NULL, {{"image", "own:1"}}},
                            &other, NULL),
                  0);
        check_str(other.image, "own:1");
        service_plan_deinit(&plan);
        service_plan_deinit(&other);
    }
}

/* Every port on which it listens is noted, so that the plan sees which clash. */
static void test_more_ports(void)
{
    static const struct {
        struct given given;
        uint16_t ports[SERVICE_PORTS];
    } cases[] = {
        {{"postgres"}, {0}},
        {{"amqp"}, {25672, 4369, 15692}},
        {{"amqp", .shift = 2}, {25674, 4371, 15694}},
        {{"amqp", NULL, {{"host", "a"}}}, {0}},
        {{"mysql"}, {33060}},
        {{"mariadb"}, {0}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service_plan plan = {0};
        check_int(make_plan(&cases[i].given, &plan, NULL), 0);
        check(memcmp(plan.more_ports, cases[i].ports, sizeof(plan.more_ports)) == 0);
        service_plan_deinit(&plan);
    }
}

/* --- copies ----------------------------------------------------------------------------------- */

static const struct copy_case {
    struct given given;
    const char *why;               /* of the failure, or NULL */
    const char *first, *first_env; /* what follows the usual words, and an entry of environment */
    const char *entrypoint, *copy, *file, *user;
} copy_cases[] = {
    {{"mariadb"},
     NULL,
     "|--datadir=/var/lib/cleanroom/mysql",
     "MARIADB_USER=my_app",
     "mariadbd",
     "|--datadir=/var/lib/cleanroom/mysql|--init-file=/tmp/cleanroom.sql",
     "ALTER USER IF EXISTS 'my_app'@'%' IDENTIFIED BY '" SECRET "';\n",
     "mysql"},
    {{"mysql", NULL, {{"user", "root"}}},
     NULL,
     "|--datadir=/var/lib/cleanroom/mysql",
     "MYSQL_ROOT_PASSWORD=" SECRET,
     "mysqld",
     "|--datadir=/var/lib/cleanroom/mysql|--init-file=/tmp/cleanroom.sql",
     "ALTER USER IF EXISTS 'root'@'%' IDENTIFIED BY '" SECRET
     "', 'root'@'localhost' IDENTIFIED BY '" SECRET "';\n",
     "mysql"},
    {{"mysql", NULL, {{"user", "o'\\"}}},
     NULL,
     "|--datadir=/var/lib/cleanroom/mysql",
     NULL,
     "mysqld",
     "|--datadir=/var/lib/cleanroom/mysql|--init-file=/tmp/cleanroom.sql",
     "ALTER USER IF EXISTS 'o\\'\\\\'@'%' IDENTIFIED BY '" SECRET "';\n",
     "mysql"},
    /* a password that the user chose is in what is kept */
    {{"mysql", NULL, {{"password", "p"}, {"command", "mysqld --x"}}},
     NULL,
     "|--datadir=/var/lib/cleanroom/mysql",
     NULL,
     "mysqld",
     "|--datadir=/var/lib/cleanroom/mysql",
     NULL,
     "mysql"},
    {{"mysql", NULL, {{"command", "sleep 1"}}}, "neither 'mysqld ...' nor 'mariadbd ...'"},
    {{"mysql", NULL, {{"command", "mysqld --datadir=/x"}}}, "its 'command' has '--datadir=/x'"},
    {{"amqp"},
     NULL,
     "",
     "RABBITMQ_MNESIA_BASE=/tmp/cleanroom-rabbitmq",
     "",
     "",
     "{\"users\":[{\"name\":\"my-app\",\"password\":\"" SECRET "\",\"tags\":\"administrator\"}]}",
     NULL},
    {{"amqp", NULL, {{"user", "a\"\\\t"}}},
     NULL,
     "",
     NULL,
     "",
     "",
     "{\"users\":[{\"name\":\"a\\\"\\\\\\u0009\",\"password\":\"" SECRET
     "\",\"tags\":\"administrator\"}]}",
     NULL},
    {{"amqp", NULL, {{"password", "p"}}}, NULL, "", NULL, "", "", NULL, NULL},
    {{"amqp", NULL, {{"command", "sh"}}}, "its 'command' is not 'rabbitmq-server'"},
    {{"amqp", NULL, {{"environment", "RABBITMQ_MNESIA_DIR=/x"}}}, "sets RABBITMQ_MNESIA_DIR"},
    {{"nats"}, NULL, "", NULL, "", "", NULL, NULL},
    {{"nats", NULL, {{"command", "--jetstream"}}}, "its 'command' is not ours"},
    {{"mosquitto"},
     NULL,
     "mosquitto|-c|/tmp/cleanroom.conf",
     NULL,
     "",
     "mosquitto|-c|/tmp/cleanroom.conf",
     "listener 1883\nallow_anonymous true\npersistence true\npersistence_location /tmp/\n"
     "autosave_interval 0\n",
     NULL},
    {{"mosquitto", .shift = 1},
     NULL,
     "mosquitto|-c|/tmp/cleanroom.conf",
     NULL,
     "",
     "mosquitto|-c|/tmp/cleanroom.conf",
     "listener 1884\nallow_anonymous true\npersistence true\npersistence_location /tmp/\n"
     "autosave_interval 0\n",
     NULL},
    {{"mosquitto", NULL, {{"command", "mosquitto -v"}}}, "its 'command' is not ours"},
    {{"mosquitto", NULL, {{"command", "mosquitto -c /own"}}}, "its 'command' is not ours"},
    {{"valkey"},
     NULL,
     "|--dir|/tmp|--dbfilename|cleanroom.rdb|--save|86400 1",
     NULL,
     "",
     "|--dir|/tmp|--dbfilename|cleanroom.rdb|--save|",
     NULL,
     NULL},
};

/* What an argv has after the words of the plan for a start from nothing; where the server is the
   entry point itself, the first of them is not there. */
static char *words_after(const struct strvec *argv, const struct strvec *usual)
{
    _cleanup_free_ char *all = strvec_join(argv, "|");
    _cleanup_free_ char *before = strvec_join(usual, "|");
    const char *rest = before + strcspn(before, "|");

    rest += *rest == '|';
    if (strncmp(all, before, strlen(before)) == 0)
        return xstrdup(all + strlen(before));
    if (strncmp(all, rest, strlen(rest)) == 0)
        return xstrdup(all + strlen(rest));
    return TAKE_PTR(all);
}

static void check_copy(const struct copy_case *c, const struct provider *provider,
                       const struct service_plan *zero, const struct recipe_image *image)
{
    struct service_plan first = {0}, copy = {0};
    _cleanup_error_ struct error why = ERROR_INIT;

    int rc = provider->recipe->first(zero, image, &first, &why);
    check_int(rc, c->why ? -1 : 0);
    if (rc < 0) {
        check_contains(why.message, c->why ? c->why : "no failure");
        service_plan_deinit(&first);
        return;
    }
    check_int(provider->recipe->copy(zero, image, &copy, &why), 0);
    _cleanup_free_ char *before = words_after(&first.argv, &zero->argv);
    _cleanup_free_ char *after = words_after(&copy.argv, &zero->argv);
    _cleanup_free_ char *entrypoint = strvec_join(&copy.entrypoint, "|");
    check_str(before, c->first);
    check(!c->first_env || strvec_contains(&first.env, c->first_env));
    check_str(entrypoint, c->entrypoint);
    check_str(after, c->copy);
    check_str(copy.files.len ? copy.files.items[1] : NULL, c->file);
    check_str(copy.user, c->user);
    check(!first.rekey && !copy.rekey);
    service_plan_deinit(&first);
    service_plan_deinit(&copy);
}

static void test_copies(void)
{
    struct strvec entrypoint = STRVEC_INIT, volumes = STRVEC_INIT, env = STRVEC_INIT;
    strvec_push(&entrypoint, "docker-entrypoint.sh");
    strvec_push(&volumes, "/var/lib/mysql");
    const struct recipe_image image = {
        .user = "", .entrypoint = &entrypoint, .env = &env, .volumes = &volumes};

    for (size_t i = 0; i < ARRAY_SIZE(copy_cases); i++) {
        struct service_plan zero = {0};
        check_int(make_plan(&copy_cases[i].given, &zero, NULL), 0);
        check_copy(&copy_cases[i], provider_find(copy_cases[i].given.provider), &zero, &image);
        service_plan_deinit(&zero);
    }
    strvec_deinit(&entrypoint);
    strvec_deinit(&volumes);
}

/* Images of which it is not known that copies of theirs work. */
static void test_no_copies(void)
{
    static const struct {
        const char *user, *entrypoint, *volume, *why;
    } cases[] = {
        {"", "docker-entrypoint.sh", "/var/lib", NULL},
        {"", "docker-entrypoint.sh", "/var/lib/mysql/", NULL},
        {"root", "/usr/local/bin/docker-entrypoint.sh", "/var/lib/mysql", NULL},
        {"mysql", "docker-entrypoint.sh", "/var/lib/mysql", "run as root"},
        {"", "/opt/bitnami/run.sh", "/var/lib/mysql", "entry point is not the official"},
        {"", "docker-entrypoint.sh", "/var/lib/mysql-files", "a volume at '/var/lib/mysql-files'"},
        {"", "docker-entrypoint.sh", NULL, "holds its data directory itself"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct strvec entrypoint = STRVEC_INIT, volumes = STRVEC_INIT, env = STRVEC_INIT;
        struct service_plan zero = {0}, out = {0};
        _cleanup_error_ struct error why = ERROR_INIT;
        strvec_push(&entrypoint, cases[i].entrypoint);
        if (cases[i].volume)
            strvec_push(&volumes, cases[i].volume);
        const struct recipe_image image = {
            .user = cases[i].user, .entrypoint = &entrypoint, .env = &env, .volumes = &volumes};
        make_plan(&(struct given){"mysql"}, &zero, NULL);
        int rc = provider_find("mysql")->recipe->first(&zero, &image, &out, &why);
        check_int(rc, cases[i].why ? -1 : 0);
        if (cases[i].why)
            check_contains(why.message, cases[i].why);
        service_plan_deinit(&zero);
        service_plan_deinit(&out);
        strvec_deinit(&entrypoint);
        strvec_deinit(&volumes);
    }
}

static void test_secrets(void)
{
    struct service_plan plan = {0};

    make_plan(&(struct given){"postgres", NULL, {{"password", "p@ss"}}}, &plan, NULL);
    check(strvec_contains(&plan.secrets, "p@ss"));
    check(strvec_contains(&plan.secrets, "p%40ss"));
    check(strstr(plan.probe_arg, "ss") == NULL);
    service_plan_deinit(&plan);

    make_plan(&(struct given){"amqp", NULL, {{"urls", "amqp://u:a%2F@h|amqp://u:b%2F@i"}}}, &plan,
              NULL);
    check(strvec_contains(&plan.secrets, "a/"));
    check(strvec_contains(&plan.secrets, "b%2F"));
    check(plan.password == NULL);
    service_plan_deinit(&plan);

    make_plan(&(struct given){"elasticsearch", NULL, {{"host", "h"}, {"password", "p/w"}}}, &plan,
              NULL);
    check(strvec_contains(&plan.secrets, "p/w"));
    check(strvec_contains(&plan.secrets, "p%2Fw"));
    service_plan_deinit(&plan);

    make_plan(&(struct given){"redis", NULL, {{"urls", "redis://u:p%2Fw@h"}}}, &plan, NULL);
    check(strvec_contains(&plan.secrets, "p/w"));
    check(strvec_contains(&plan.secrets, "p%2Fw"));
    service_plan_deinit(&plan);
}

/* Another one in the same pod: every port that nobody chose moves, the further ones too. */
static void test_shift(void)
{
    static const struct {
        const char *provider, *app, *container;
        uint16_t port, more;
    } cases[] = {
        {"elasticsearch", "http://127.0.0.1:9210", "transport.port=9310", 9210, 9310},
        {"opensearch", "http://127.0.0.1:9210", "http.port=9210", 9210, 9310},
        {"mongodb", "mongodb://127.0.0.1:27027/my-app", "", 27027, 0},
        {"s3", "http://127.0.0.1:9010", "", 9010, 9011},
        {"kafka", "127.0.0.1:9102", "KAFKA_LISTENERS=PLAINTEXT://:9102,CONTROLLER://127.0.0.1:9103",
         9102, 9103},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_input in = {
            .application_id = "my-app", .shift = 10, .shard = 1, .secret = SECRET};
        const struct provider *provider = provider_find(cases[i].provider);
        struct service_plan plan = {0};

        check_int(provider->plan(provider, &in, &plan, NULL), 0);
        check_str(strchr(plan.app_env.items[0], '=') + 1, cases[i].app);
        check_int(plan.port, cases[i].port);
        check_int(plan.more_ports[0], cases[i].more);
        check(!*cases[i].container || strvec_contains(&plan.env, cases[i].container));
        service_plan_deinit(&plan);
    }
}

/* The start-up script of MongoDB's image can make users at the usual port alone. */
static void test_second_mongodb(void)
{
    const struct override_value user = {"user", "me"};
    struct provider_input in = {.application_id = "my-app", .shift = 1, .secret = SECRET};
    const struct provider *provider = provider_find("mongodb");
    struct service_plan plan = {0}, other = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    check_int(provider->plan(provider, &in, &plan, NULL), 0);
    check_int(plan.env.len, 0);
    check_int(plan.secrets.len, 0);
    check_int(plan.more_ports[0], 0);
    check_str(plan.argv.items[plan.argv.len - 1], "27018");
    in.overrides = &user;
    in.override_count = 1;
    check_int(provider->plan(provider, &in, &other, &err), -1);
    check_contains(err.message, "only the first MongoDB of a shard has users");
    service_plan_deinit(&plan);
    service_plan_deinit(&other);

    make_plan(&(struct given){"mongodb", NULL, {{"port", "30000"}}}, &plan, NULL);
    check_int(plan.port, 30000);
    check_int(plan.more_ports[0], 27017);
    service_plan_deinit(&plan);
}

/* A bucket is there from the start, whatever the command is. */
static void test_bucket(void)
{
    struct service_plan plan = {0};

    make_plan(&(struct given){"s3", NULL, {{"bucket", "files"}, {"command", "server /data"}}},
              &plan, NULL);
    _cleanup_free_ char *entrypoint = strvec_join(&plan.entrypoint, "|");
    _cleanup_free_ char *argv = strvec_join(&plan.argv, "|");
    check_str(entrypoint, "/bin/sh|-c|while [ \"$1\" != -- ]; do mkdir -p \"/data/$1\" && shift || "
                          "exit; done; shift; exec /usr/bin/docker-entrypoint.sh \"$@\"|minio|"
                          "files|--");
    check_str(argv, "server|/data");
    check(strvec_contains(&plan.secrets, SECRET));
    check_str(plan.password, SECRET);
    service_plan_deinit(&plan);
}

static void test_registry(void)
{
    check(provider_find("postgresql") == provider_find("postgres"));
    check(provider_find("memcached") == provider_find("memcache"));
    check(provider_find("rabbitmq") == provider_find("amqp"));
    check(provider_find("mongo") == provider_find("mongodb"));
    check(provider_find("minio") == provider_find("s3"));
    check(provider_find("oracle") == NULL);
    check(provider_find("") == NULL);

    const struct provider *p = provider_find("postgres");
    check(provider_override(p, "password")->secret);
    check(!provider_override(p, "port")->secret);
    check_int(provider_override(p, "environment")->type, OVERRIDE_ENV);
    check_int(provider_override(p, "urls")->type, OVERRIDE_LIST);
    check(provider_override(p, "db_index") == NULL);
}

/* An app outside of the pod is told where that is, by every service. */
static void test_another_address(void)
{
    for (size_t i = 0; i < provider_count; i++) {
        struct service_plan plan = {0};
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct provider_input in = {
            .application_id = "a", .secret = SECRET, .shard = 1, .address = "127.9.8.7"};
        check_int(providers[i]->plan(providers[i], &in, &plan, &err), 0);
        _cleanup_free_ char *told = strvec_join(&plan.app_env, " ");
        check(strstr(told, "127.9.8.7") != NULL);
        check(strstr(told, "127.0.0.1") == NULL);
        service_plan_deinit(&plan);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_app_environment),
                                       TAP(test_every_override_has_a_row),
                                       TAP(test_overrides_of_forklift),
                                       TAP(test_sinks),
                                       TAP(test_proxy_outside),
                                       TAP(test_sink_shift),
                                       TAP(test_errors),
                                       TAP(test_error_hides_password),
                                       TAP(test_container),
                                       TAP(test_images),
                                       TAP(test_more_ports),
                                       TAP(test_copies),
                                       TAP(test_no_copies),
                                       TAP(test_secrets),
                                       TAP(test_shift),
                                       TAP(test_second_mongodb),
                                       TAP(test_bucket),
                                       TAP(test_registry),
                                       TAP(test_another_address),
                                       {0}});
}

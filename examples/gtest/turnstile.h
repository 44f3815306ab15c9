/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TURNSTILE_H
#define TURNSTILE_H

#include <hiredis/hiredis.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

/* The first of REDIS_HOSTS, as "host:port" or "host". */
std::pair<std::string, int> first_host(const std::string &hosts);

/* A connection to redis that throws std::runtime_error when something is wrong. */
class Redis
{
  public:
    Redis(const std::string &host, int port, int database);
    static Redis from_environment();

    /* Of replies that are numbers. */
    long long number(const std::vector<std::string> &words);
    void run(const std::vector<std::string> &words);

  private:
    struct Free {
        void operator()(redisContext *c) const { redisFree(c); }
        void operator()(void *reply) const { freeReplyObject(reply); }
    };
    std::unique_ptr<void, Free> command(const std::vector<std::string> &words);

    std::unique_ptr<redisContext, Free> context_;
};

/* Lets everybody pass `limit` times within so many milliseconds of the first. */
class Turnstile
{
  public:
    Turnstile(Redis &redis, std::string name, long long limit, long long window_ms);

    bool pass(const std::string &who);
    long long left(const std::string &who);
    void forget(const std::string &who);
    /* How many have passed at all, ever. */
    long long total();

  private:
    std::string key(const std::string &who) const;

    Redis &redis_;
    std::string name_;
    long long limit_, window_ms_;
};

#endif

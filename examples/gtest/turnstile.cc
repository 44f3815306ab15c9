/* SPDX-License-Identifier: Apache-2.0 */
#include "turnstile.h"

#include <cstdlib>
#include <stdexcept>

std::pair<std::string, int> first_host(const std::string &hosts)
{
    std::string first = hosts.substr(0, hosts.find('|'));
    size_t colon = first.find(':');
    if (first.empty() || colon == 0)
        throw std::runtime_error("REDIS_HOSTS names no host");
    if (colon == std::string::npos)
        return {first, 6379};
    return {first.substr(0, colon), std::stoi(first.substr(colon + 1))};
}

Redis::Redis(const std::string &host, int port, int database)
    : context_(redisConnect(host.c_str(), port))
{
    if (!context_ || context_->err)
        throw std::runtime_error(context_ ? context_->errstr : "out of memory");
    run({"SELECT", std::to_string(database)});
}

Redis Redis::from_environment()
{
    const char *hosts = std::getenv("REDIS_HOSTS"), *index = std::getenv("REDIS_DB_INDEX");
    auto [host, port] = first_host(hosts ? hosts : "");
    return Redis(host, port, index ? std::stoi(index) : 0);
}

std::unique_ptr<void, Redis::Free> Redis::command(const std::vector<std::string> &words)
{
    std::vector<const char *> argv;
    std::vector<size_t> lengths;
    for (const std::string &word : words) {
        argv.push_back(word.data());
        lengths.push_back(word.size());
    }
    std::unique_ptr<void, Free> reply(
        redisCommandArgv(context_.get(), (int)argv.size(), argv.data(), lengths.data()));
    if (!reply)
        throw std::runtime_error(context_->errstr);
    auto *r = static_cast<redisReply *>(reply.get());
    if (r->type == REDIS_REPLY_ERROR)
        throw std::runtime_error(std::string(r->str, r->len));
    return reply;
}

long long Redis::number(const std::vector<std::string> &words)
{
    auto reply = command(words);
    auto *r = static_cast<redisReply *>(reply.get());
    if (r->type == REDIS_REPLY_NIL)
        return 0;
    return r->type == REDIS_REPLY_INTEGER ? r->integer : std::stoll(std::string(r->str, r->len));
}

void Redis::run(const std::vector<std::string> &words)
{
    command(words);
}

Turnstile::Turnstile(Redis &redis, std::string name, long long limit, long long window_ms)
    : redis_(redis), name_(std::move(name)), limit_(limit), window_ms_(window_ms)
{
    if (limit < 1 || window_ms < 1)
        throw std::invalid_argument("a turnstile needs a limit and a window");
}

std::string Turnstile::key(const std::string &who) const
{
    return "turnstile:" + name_ + ":" + who;
}

bool Turnstile::pass(const std::string &who)
{
    long long count = redis_.number({"INCR", key(who)});
    if (count == 1)
        redis_.run({"PEXPIRE", key(who), std::to_string(window_ms_)});
    if (count > limit_)
        return false;
    redis_.run({"INCR", "turnstile-total:" + name_});
    return true;
}

long long Turnstile::left(const std::string &who)
{
    long long count = redis_.number({"GET", key(who)});
    return count < limit_ ? limit_ - count : 0;
}

void Turnstile::forget(const std::string &who)
{
    redis_.run({"DEL", key(who)});
}

long long Turnstile::total()
{
    return redis_.number({"GET", "turnstile-total:" + name_});
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "turnstile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

TEST(FirstHost, WithAPort)
{
    EXPECT_EQ(first_host("a:1"), std::make_pair(std::string("a"), 1));
}

TEST(FirstHost, WithoutAPort)
{
    EXPECT_EQ(first_host("cache.example"), std::make_pair(std::string("cache.example"), 6379));
}

TEST(FirstHost, OfSeveral)
{
    EXPECT_EQ(first_host("a:1|b:2"), std::make_pair(std::string("a"), 1));
}

TEST(FirstHost, OfNone)
{
    EXPECT_THROW(first_host(""), std::runtime_error);
    EXPECT_THROW(first_host(":6379"), std::runtime_error);
}

/* Nobody else has been here: the key's value would not be our own. */
TEST(Alone, MarkIsOurs)
{
    Redis redis = Redis::from_environment();
    redis.run({"FLUSHALL"});
    for (long long i = 1; i <= 200; i++)
        ASSERT_EQ(redis.number({"INCR", "mark"}), i);
}

class TurnstileTest : public testing::Test
{
  protected:
    void SetUp() override { redis_.run({"FLUSHALL"}); }

    Redis redis_ = Redis::from_environment();
    Turnstile gate_{redis_, "gate", 3, 60000};
};

TEST_F(TurnstileTest, LetsPassUpToItsLimit)
{
    for (int i = 0; i < 3; i++)
        EXPECT_TRUE(gate_.pass("ann"));
}

TEST_F(TurnstileTest, StopsBeyondItsLimit)
{
    for (int i = 0; i < 3; i++)
        gate_.pass("ann");
    EXPECT_FALSE(gate_.pass("ann"));
    EXPECT_FALSE(gate_.pass("ann"));
}

TEST_F(TurnstileTest, CountsEachAlone)
{
    for (int i = 0; i < 4; i++)
        gate_.pass("ann");
    EXPECT_TRUE(gate_.pass("bob"));
}

TEST_F(TurnstileTest, TellsWhatIsLeft)
{
    EXPECT_EQ(gate_.left("ann"), 3);
    gate_.pass("ann");
    EXPECT_EQ(gate_.left("ann"), 2);
}

TEST_F(TurnstileTest, NothingIsLeftBeyondItsLimit)
{
    for (int i = 0; i < 5; i++)
        gate_.pass("ann");
    EXPECT_EQ(gate_.left("ann"), 0);
}

TEST_F(TurnstileTest, Forgets)
{
    for (int i = 0; i < 4; i++)
        gate_.pass("ann");
    gate_.forget("ann");
    EXPECT_TRUE(gate_.pass("ann"));
}

TEST_F(TurnstileTest, CountsThoseWhoPassed)
{
    for (int i = 0; i < 5; i++)
        gate_.pass("ann");
    gate_.pass("bob");
    EXPECT_EQ(gate_.total(), 4);
}

TEST_F(TurnstileTest, NobodyHasPassed)
{
    EXPECT_EQ(gate_.total(), 0);
}

TEST_F(TurnstileTest, HasANameOfItsOwn)
{
    Turnstile other(redis_, "other", 1, 60000);
    for (int i = 0; i < 4; i++)
        gate_.pass("ann");
    EXPECT_TRUE(other.pass("ann"));
    EXPECT_EQ(other.total(), 1);
}

TEST_F(TurnstileTest, OpensAgainAfterItsWindow)
{
    gate_.pass("ann");
    long long ms = redis_.number({"PTTL", "turnstile:gate:ann"});
    EXPECT_GT(ms, 0);
    EXPECT_LE(ms, 60000);
}

TEST_F(TurnstileTest, TheWindowBeginsWithTheFirst)
{
    gate_.pass("ann");
    redis_.run({"PEXPIRE", "turnstile:gate:ann", "1000"});
    gate_.pass("ann");
    EXPECT_LE(redis_.number({"PTTL", "turnstile:gate:ann"}), 1000);
}

TEST_F(TurnstileTest, NamesMayHoldAnything)
{
    EXPECT_TRUE(gate_.pass(std::string("a b\r\n\0c", 7)));
    EXPECT_EQ(gate_.left(std::string("a b\r\n\0c", 7)), 2);
    EXPECT_EQ(gate_.left("a b"), 3);
}

TEST_F(TurnstileTest, NeedsALimitAndAWindow)
{
    EXPECT_THROW(Turnstile(redis_, "x", 0, 1), std::invalid_argument);
    EXPECT_THROW(Turnstile(redis_, "x", 1, 0), std::invalid_argument);
}

TEST_F(TurnstileTest, TellsWhatRedisSays)
{
    redis_.run({"LPUSH", "turnstile:gate:ann", "x"});
    EXPECT_THROW(gate_.pass("ann"), std::runtime_error);
}

TEST(Redis, IsNotThere)
{
    EXPECT_THROW(Redis("127.0.0.1", 1, 0), std::runtime_error);
}

/* For those who want to see a red report: cleanroom -e TURNSTILE_BROKEN=1 ... */
TEST(Broken, OnDemand)
{
    EXPECT_EQ(std::getenv("TURNSTILE_BROKEN"), nullptr);
}

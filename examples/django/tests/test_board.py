# SPDX-License-Identifier: Apache-2.0
import threading

from desk import board
from tests.support import REDIS_MARK, TODAY, DeskTest

ISBN = "9789999999991"


class CounterTest(DeskTest):
    def test_keyspace_is_ours_alone(self):
        self.assertEqual(board.connection().keys(), [REDIS_MARK])

    def test_no_loans_yet(self):
        self.assertEqual(board.loans_on(TODAY), 0)

    def test_counts_by_day(self):
        for _ in range(3):
            board.count_loan(ISBN, TODAY)
        self.assertEqual(board.loans_on(TODAY), 3)

    def test_most_popular_comes_first(self):
        for isbn, times in (("a", 1), ("b", 3), ("c", 2)):
            for _ in range(times):
                board.count_loan(isbn, TODAY)
        self.assertEqual(board.popular(2), [("b", 3), ("c", 2)])

    def test_flush_starts_from_zero(self):
        board.count_loan(ISBN, TODAY)
        self.room.wipe_redis()
        self.assertEqual((board.loans_on(TODAY), board.popular(5)), (0, []))

    def test_only_expected_keys(self):
        board.count_loan(ISBN, TODAY)
        board.reserve(ISBN, "M0001")
        expected = {REDIS_MARK, "loans:2024-05-02", "popular", f"waiting:{ISBN}"}
        self.assertEqual(set(board.connection().keys()), expected)

    def test_four_clerks_count_together(self):
        def clerk():
            for _ in range(250):
                board.count_loan(ISBN, TODAY)

        clerks = [threading.Thread(target=clerk) for _ in range(4)]
        for thread in clerks:
            thread.start()
        for thread in clerks:
            thread.join(30)
        self.assertEqual(board.loans_on(TODAY), 1000)
        self.assertEqual(board.popular(1), [(ISBN, 1000)])


class WaitingTest(DeskTest):
    def test_places_from_one(self):
        places = [board.reserve(ISBN, number) for number in ("M0001", "M0002", "M0003")]
        self.assertEqual(places, [1, 2, 3])

    def test_reserving_twice_keeps_the_place(self):
        board.reserve(ISBN, "M0001")
        board.reserve(ISBN, "M0002")
        self.assertEqual(board.reserve(ISBN, "M0001"), 1)
        self.assertEqual(board.waiting(ISBN), ["M0001", "M0002"])

    def test_cancel_moves_the_others_up(self):
        board.reserve(ISBN, "M0001")
        board.reserve(ISBN, "M0002")
        self.assertTrue(board.cancel(ISBN, "M0001"))
        self.assertEqual(board.position(ISBN, "M0002"), 1)

    def test_cancel_nothing(self):
        self.assertFalse(board.cancel(ISBN, "M0001"))

    def test_first_come_first_served(self):
        for number in ("M0003", "M0001", "M0002"):
            board.reserve(ISBN, number)
        served = [board.next_in_line(ISBN) for _ in range(4)]
        self.assertEqual(served, ["M0003", "M0001", "M0002", None])

    def test_a_long_line(self):
        numbers = [f"M{i:04}" for i in range(600)]
        for number in numbers:
            board.reserve(ISBN, number)
        self.assertEqual(board.position(ISBN, "M0599"), 600)
        self.assertEqual([board.next_in_line(ISBN) for _ in numbers], numbers)


class StampTest(DeskTest):
    def test_only_one_holds_it(self):
        with board.stamp("desk"):
            with self.assertRaises(board.StampTaken):
                with board.stamp("desk"):
                    self.fail("two hold the stamp")

    def test_given_back_after_an_error(self):
        with self.assertRaises(ZeroDivisionError):
            with board.stamp("desk"):
                1 / 0
        with board.stamp("desk"):
            pass

    def test_late_holder_leaves_the_next_alone(self):
        with board.stamp("desk"):
            board.connection().set("stamp:desk", "somebody else")
        self.assertEqual(board.connection().get("stamp:desk"), "somebody else")

    def test_expires(self):
        with board.stamp("desk", milliseconds=90000):
            self.assertLessEqual(board.connection().pttl("stamp:desk"), 90000)

    def test_two_thousand_stamps(self):
        for _ in range(2000):
            with board.stamp("desk"):
                board.connection().incr("stamped")
        self.assertEqual(board.connection().get("stamped"), "2000")

# SPDX-License-Identifier: Apache-2.0
import threading
from datetime import timedelta

from django.db import IntegrityError, connection

from desk import board, catalogue, lending
from desk.models import Copy, Fine, Loan
from tests.support import TODAY, DeskTest


class LendingTest(DeskTest):
    def test_lend_makes_an_open_loan(self):
        member, _, copy = self.shelf()
        loan = lending.lend("C90001", "M9001", TODAY)
        self.assertEqual((loan.copy, loan.member, loan.returned_on), (copy, member, None))

    def test_due_after_three_weeks(self):
        self.shelf()
        loan = lending.lend("C90001", "M9001", TODAY)
        self.assertEqual(loan.due_on, TODAY + timedelta(21))

    def test_lend_counts_on_the_board(self):
        _, title, _ = self.shelf()
        lending.lend("C90001", "M9001", TODAY)
        self.assertEqual(board.loans_on(TODAY), 1)
        self.assertEqual(board.popular(1), [(title.isbn, 1)])

    def test_lent_copy_is_refused(self):
        self.shelf()
        self.member(pk=9002, number="M9002")
        lending.lend("C90001", "M9001", TODAY)
        with self.assertRaisesRegex(lending.Refused, "copy is lent"):
            lending.lend("C90001", "M9002", TODAY)

    def test_blocked_member_is_refused(self):
        self.copy(self.title())
        self.member(blocked=True)
        with self.assertRaisesRegex(lending.Refused, "blocked"):
            lending.lend("C90001", "M9001", TODAY)

    def test_refusal_leaves_the_board_alone(self):
        self.copy(self.title())
        self.member(blocked=True)
        with self.assertRaises(lending.Refused):
            lending.lend("C90001", "M9001", TODAY)
        self.assertEqual(board.connection().keys("loans:*"), [])

    def test_debtor_is_refused(self):
        member, title, copy = self.shelf()
        old = Loan.objects.create(
            pk=9001, copy=copy, member=member, lent_on=TODAY, due_on=TODAY, returned_on=TODAY
        )
        Fine.objects.create(pk=9001, loan=old, cents=lending.DEBT_LIMIT + 1)
        with self.assertRaisesRegex(lending.Refused, "owes"):
            lending.lend("C90001", "M9001", TODAY)

    def test_seventh_book_is_refused(self):
        self.member()
        title = self.title()
        for i in range(7):
            self.copy(title, pk=9001 + i, barcode=f"C9000{i}")
        for i in range(6):
            lending.lend(f"C9000{i}", "M9001", TODAY)
        with self.assertRaisesRegex(lending.Refused, "too many"):
            lending.lend("C90006", "M9001", TODAY)

    def test_reserved_title_goes_to_the_first_in_line(self):
        _, title, _ = self.shelf()
        self.member(pk=9002, number="M9002")
        board.reserve(title.isbn, "M9002")
        with self.assertRaisesRegex(lending.Refused, "reserved"):
            lending.lend("C90001", "M9001", TODAY)
        lending.lend("C90001", "M9002", TODAY)
        self.assertEqual(board.waiting(title.isbn), [])

    def test_second_open_loan_breaks_the_constraint(self):
        member, _, copy = self.shelf()
        dates = {"lent_on": TODAY, "due_on": TODAY}
        Loan.objects.create(pk=9001, copy=copy, member=member, **dates)
        with self.assertRaises(IntegrityError):
            Loan.objects.create(pk=9002, copy=copy, member=member, **dates)

    def test_race_for_one_copy_has_one_winner(self):
        self.copy(self.title())
        for i in range(8):
            self.member(pk=9001 + i, number=f"M900{i}")
        outcomes, barrier = [], threading.Barrier(8)

        def race(number):
            try:
                barrier.wait(10)
                lending.lend("C90001", number, TODAY)
                outcomes.append("lent")
            except lending.Refused as refusal:
                outcomes.append(str(refusal))
            finally:
                connection.close()

        racers = [threading.Thread(target=race, args=[f"M900{i}"]) for i in range(8)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(30)
        self.assertEqual(sorted(outcomes), ["copy is lent"] * 7 + ["lent"])
        self.assertEqual(Loan.objects.filter(copy_id=9001).count(), 1)

    def test_a_busy_week(self):
        self.shelf()
        for day in range(60):
            lending.lend("C90001", "M9001", TODAY + timedelta(day))
            lending.give_back("C90001", TODAY + timedelta(day))
        self.assertEqual(Loan.objects.filter(copy_id=9001).count(), 60)
        self.assertEqual(len(board.connection().keys("loans:*")), 60)
        self.assertEqual(board.popular(1)[0][1], 60)


class ReturnTest(DeskTest):
    def setUp(self):
        super().setUp()
        _, self.book, _ = self.shelf()
        self.loan = lending.lend("C90001", "M9001", TODAY)

    def test_return_ends_the_loan(self):
        loan, waits = lending.give_back("C90001", TODAY)
        self.assertEqual((loan.pk, loan.returned_on, waits), (self.loan.pk, TODAY, None))

    def test_in_time_costs_nothing(self):
        lending.give_back("C90001", self.loan.due_on)
        self.assertFalse(Fine.objects.filter(loan=self.loan).exists())

    def test_late_costs_by_the_day(self):
        lending.give_back("C90001", self.loan.due_on + timedelta(3))
        self.assertEqual(Fine.objects.get(loan=self.loan).cents, 60)

    def test_very_late_costs_no_more_than_the_maximum(self):
        lending.give_back("C90001", self.loan.due_on + timedelta(365))
        self.assertEqual(Fine.objects.get(loan=self.loan).cents, lending.CENTS_AT_MOST)

    def test_return_twice_is_refused(self):
        lending.give_back("C90001", TODAY)
        with self.assertRaisesRegex(lending.Refused, "not lent"):
            lending.give_back("C90001", TODAY)

    def test_return_names_who_waits(self):
        board.reserve(self.book.isbn, "M0007")
        board.reserve(self.book.isbn, "M0008")
        self.assertEqual(lending.give_back("C90001", TODAY)[1], "M0007")

    def test_return_frees_the_copy(self):
        self.assertEqual(catalogue.availability(self.book.isbn)["free"], 0)
        lending.give_back("C90001", TODAY)
        self.assertEqual(catalogue.availability(self.book.isbn)["free"], 1)

    def test_renew_moves_the_day(self):
        later = TODAY + timedelta(10)
        self.assertEqual(lending.renew(self.loan, later).due_on, later + timedelta(21))

    def test_third_renewal_is_refused(self):
        lending.renew(lending.renew(self.loan, TODAY), TODAY)
        with self.assertRaisesRegex(lending.Refused, "often enough"):
            lending.renew(self.loan, TODAY)

    def test_overdue_is_not_renewed(self):
        with self.assertRaisesRegex(lending.Refused, "overdue"):
            lending.renew(self.loan, self.loan.due_on + timedelta(1))

    def test_reserved_is_not_renewed(self):
        board.reserve(self.book.isbn, "M0007")
        with self.assertRaisesRegex(lending.Refused, "reserved"):
            lending.renew(self.loan, TODAY)

    def test_copy_withdrawn_takes_its_loans_along(self):
        Copy.objects.get(pk=9001).delete()
        self.assertFalse(Loan.objects.filter(pk=self.loan.pk).exists())

# SPDX-License-Identifier: Apache-2.0
"""The rules of the desk."""
from datetime import timedelta

from django.db import transaction
from django.db.models import Sum

from desk import board, catalogue, letters
from desk.models import Copy, Fine, Loan, Member

LOAN_DAYS = 21
MAX_LOANS = 6
MAX_RENEWALS = 2
CENTS_PER_DAY = 20
CENTS_AT_MOST = 1000
DEBT_LIMIT = 500


class Refused(Exception):
    """The desk says no; the message says why."""


def debt(member):
    fines = Fine.objects.filter(loan__member=member, paid=False)
    return fines.aggregate(sum=Sum("cents"))["sum"] or 0


def _check_member(member):
    if member.blocked:
        raise Refused("member is blocked")
    if debt(member) > DEBT_LIMIT:
        raise Refused("member owes too much")
    if member.loans.filter(returned_on=None).count() >= MAX_LOANS:
        raise Refused("member has too many books")


def lend(barcode, number, today):
    with transaction.atomic():
        # Whoever comes second waits here, and then sees the loan of the first.
        member = Member.objects.select_for_update().get(number=number)
        copy = Copy.objects.select_for_update().get(barcode=barcode)
        _check_member(member)
        if copy.loans.filter(returned_on=None).exists():
            raise Refused("copy is lent")
        line = board.waiting(copy.title.isbn)
        if line and line[0] != number:
            raise Refused("title is reserved")
        loan = Loan.objects.create(
            copy=copy, member=member, lent_on=today, due_on=today + timedelta(LOAN_DAYS)
        )
    board.cancel(copy.title.isbn, number)
    board.count_loan(copy.title.isbn, today)
    catalogue.forget_availability(copy.title.isbn)
    return loan


def give_back(barcode, today):
    """Returns the loan and the number of the member who waits for the title, or None."""
    with transaction.atomic():
        loan = (
            Loan.objects.select_for_update()
            .filter(copy__barcode=barcode, returned_on=None)
            .first()
        )
        if loan is None:
            raise Refused("copy is not lent")
        loan.returned_on = today
        loan.save(update_fields=["returned_on"])
        late = loan.days_late(today)
        if late:
            cents = min(late * CENTS_PER_DAY, CENTS_AT_MOST)
            Fine.objects.create(loan=loan, cents=cents)
    isbn = loan.copy.title.isbn
    catalogue.forget_availability(isbn)
    line = board.waiting(isbn)
    if line:
        letters.ask_for(line[0], isbn)
    return loan, line[0] if line else None


def renew(loan, today):
    if loan.returned_on:
        raise Refused("loan has ended")
    if loan.days_late(today):
        raise Refused("loan is overdue")
    if loan.renewals >= MAX_RENEWALS:
        raise Refused("loan was renewed often enough")
    if board.waiting(loan.copy.title.isbn):
        raise Refused("title is reserved")
    loan.renewals += 1
    loan.due_on = today + timedelta(LOAN_DAYS)
    loan.save(update_fields=["renewals", "due_on"])
    return loan

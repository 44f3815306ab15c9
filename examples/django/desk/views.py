# SPDX-License-Identifier: Apache-2.0
"""The desk over HTTP: JSON, and one page for people."""
from datetime import date

from django.db import connection
from django.http import JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from desk import board, catalogue, lending
from desk.models import Copy, Loan, Member, Title

PIN_ATTEMPTS = 3


def problem(status, text):
    return JsonResponse({"error": text}, status=status)


def signed_in(request):
    return request.session.get("member")


@require_GET
def front(request):
    titles = Title.objects.all()[:10]
    return render(request, "desk/front.html", {"titles": titles, "day": date.today()})


@require_GET
def health(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"database": True, "board": board.connection().ping()})


@require_GET
def titles(request):
    return JsonResponse({"isbn": catalogue.search(request.GET.get("q", ""))})


@require_GET
def title(request, isbn):
    found = Title.objects.filter(isbn=isbn).first()
    if found is None:
        return problem(404, "no such title")
    stock = catalogue.availability(isbn) or {"copies": 0, "free": 0}
    return JsonResponse(
        {"isbn": isbn, "name": found.name, "waiting": len(board.waiting(isbn)), **stock}
    )


@require_POST
def sign_in(request):
    number, pin = request.POST.get("number", ""), request.POST.get("pin", "")
    member = Member.objects.filter(number=number).first()
    if member is None or not member.check_pin(pin):
        if board.wrong_pins(number) > PIN_ATTEMPTS:
            return problem(429, "too many attempts")
        return problem(403, "wrong number or PIN")
    board.forgive_pins(number)
    request.session.cycle_key()
    request.session["member"] = number
    return JsonResponse({"name": member.name})


@require_POST
def sign_out(request):
    request.session.flush()
    return JsonResponse({})


@require_POST
def borrow(request, barcode):
    number = signed_in(request)
    if number is None:
        return problem(401, "sign in first")
    try:
        loan = lending.lend(barcode, number, date.today())
    except Copy.DoesNotExist:
        return problem(404, "no such copy")
    except lending.Refused as refusal:
        return problem(409, str(refusal))
    return JsonResponse({"due": loan.due_on.isoformat()}, status=201)


@require_POST
def give_back(request, barcode):
    try:
        loan, waits = lending.give_back(barcode, date.today())
    except lending.Refused as refusal:
        return problem(409, str(refusal))
    return JsonResponse({"member": loan.member.number, "next": waits})


@require_POST
def reserve(request, isbn):
    number = signed_in(request)
    if number is None:
        return problem(401, "sign in first")
    if not Title.objects.filter(isbn=isbn).exists():
        return problem(404, "no such title")
    return JsonResponse({"place": board.reserve(isbn, number)})


@require_GET
def my_loans(request):
    number = signed_in(request)
    if number is None:
        return problem(401, "sign in first")
    loans = Loan.objects.filter(member__number=number, returned_on=None)
    rows = loans.order_by("due_on").values_list("copy__barcode", "due_on")
    return JsonResponse({"loans": [[code, due.isoformat()] for code, due in rows]})


@require_GET
def numbers(request):
    today = date.today()
    return JsonResponse(
        {
            "lent_today": board.loans_on(today),
            "popular": board.popular(5),
            "overdue": catalogue.overdue_by_branch(today),
        }
    )

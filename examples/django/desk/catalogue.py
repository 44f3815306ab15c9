# SPDX-License-Identifier: Apache-2.0
"""Looking things up, through memcached."""
import hashlib

from django.core.cache import cache
from django.db.models import Count, F, Q

from desk.models import Copy, Loan, Title

GENERATION = "catalogue:generation"


def availability(isbn):
    """{'copies': n, 'free': m}, or None for a title we do not have."""
    key = f"availability:{isbn}"
    known = cache.get(key)
    if known is None:
        copies = Copy.objects.filter(title__isbn=isbn).count()
        if not copies:
            return None
        lent = Loan.objects.filter(copy__title__isbn=isbn, returned_on=None).count()
        known = {"copies": copies, "free": copies - lent}
        cache.set(key, known, 60)
    return known


def forget_availability(isbn):
    cache.delete(f"availability:{isbn}")


def generation():
    cache.add(GENERATION, 1, None)
    return cache.get(GENERATION)


def changed():
    """The catalogue changed: no older search result counts any more."""
    generation()
    return cache.incr(GENERATION)


def search(words):
    """ISBNs of titles that have every word in their name or author."""
    words = " ".join(sorted(words.lower().split()))
    digest = hashlib.sha1(words.encode()).hexdigest()
    key = f"search:{generation()}:{digest}"
    found = cache.get(key)
    if found is None:
        titles = Title.objects.all()
        for word in words.split():
            titles = titles.filter(Q(name__icontains=word) | Q(author__icontains=word))
        found = list(titles.values_list("isbn", flat=True))
        cache.set(key, found, 300)
    return found


def overdue_by_branch(on):
    """{'MAIN': 3, ...}: open loans past their day, by the branch of the copy."""
    rows = (
        Loan.objects.filter(returned_on=None, due_on__lt=on)
        .values(code=F("copy__branch__code"))
        .annotate(count=Count("pk"))
        .order_by("code")
    )
    return {row["code"]: row["count"] for row in rows}

# SPDX-License-Identifier: Apache-2.0
from datetime import date

from django.core.cache import cache

from desk import catalogue, lending
from desk.models import Copy, Loan, Title
from tests.support import CACHE_MARK, TODAY, DeskTest

EMMA = "9780000000026"


class AvailabilityTest(DeskTest):
    def test_all_copies_are_free(self):
        self.assertEqual(catalogue.availability("9780000000040"), {"copies": 2, "free": 2})

    def test_unknown_title(self):
        self.assertIsNone(catalogue.availability("0"))

    def test_unknown_title_is_not_remembered(self):
        catalogue.availability("9789999999991")
        self.copy(self.title())
        self.assertEqual(catalogue.availability("9789999999991")["copies"], 1)

    def test_answer_is_remembered(self):
        title = self.title()
        self.copy(title)
        catalogue.availability(title.isbn)
        self.copy(title, pk=9002, barcode="C90002")
        self.assertEqual(catalogue.availability(title.isbn)["copies"], 1)

    def test_forgotten_answer_is_asked_again(self):
        title = self.title()
        self.copy(title)
        catalogue.availability(title.isbn)
        self.copy(title, pk=9002, barcode="C90002")
        catalogue.forget_availability(title.isbn)
        self.assertEqual(catalogue.availability(title.isbn)["copies"], 2)

    def test_fixed_key_holds_the_answer(self):
        cache.set(f"availability:{EMMA}", {"copies": 77, "free": 7})
        self.assertEqual(catalogue.availability(EMMA), {"copies": 77, "free": 7})

    def test_lending_forgets(self):
        self.shelf()
        self.assertEqual(catalogue.availability("9789999999991")["free"], 1)
        lending.lend("C90001", "M9001", TODAY)
        self.assertEqual(catalogue.availability("9789999999991")["free"], 0)


class SearchTest(DeskTest):
    def test_by_author_and_name(self):
        self.assertEqual(catalogue.search("austen emma"), [EMMA])

    def test_order_of_words_does_not_matter(self):
        self.assertEqual(catalogue.search("Emma Austen"), catalogue.search("austen EMMA"))

    def test_nothing_found(self):
        self.assertEqual(catalogue.search("no such book"), [])

    def test_no_words_find_everything(self):
        self.assertEqual(len(catalogue.search("")), 36)

    def test_generations_count_from_one(self):
        self.assertEqual([catalogue.generation(), catalogue.changed()], [1, 2])

    def test_old_answer_until_the_catalogue_changes(self):
        self.assertEqual(catalogue.search("test title"), [])
        self.title()
        self.assertEqual(catalogue.search("test title"), [])
        catalogue.changed()
        self.assertEqual(catalogue.search("test title"), ["9789999999991"])

    def test_clearing_the_cache_forgets_generations(self):
        for _ in range(10):
            catalogue.changed()
        self.room.wipe_cache()
        self.assertEqual(catalogue.generation(), 1)
        self.assertEqual(cache.get(CACHE_MARK), self.room.token)

    def test_ten_thousand_titles(self):
        Title.objects.bulk_create(
            Title(pk=9001 + i, isbn=f"97{i:011}", name=f"Volume {i}", author="Anon", year=1900)
            for i in range(10000)
        )
        catalogue.changed()
        self.assertEqual(len(catalogue.search("anon volume")), 10000)
        expected = sum("777" in str(i) for i in range(10000))
        self.assertEqual(len(catalogue.search("777 anon")), expected)
        # The result of the first search is too big for one item, so it is asked again.
        self.assertEqual(len(catalogue.search("volume anon")), 10000)


class OverdueTest(DeskTest):
    def test_fixtures_are_overdue(self):
        self.assertEqual(sum(catalogue.overdue_by_branch(TODAY).values()), 3)

    def test_nothing_is_overdue_on_the_day(self):
        self.assertEqual(catalogue.overdue_by_branch(date(2024, 2, 22)), {})

    def test_two_thousand_overdue_loans(self):
        member, title = self.member(), self.title()
        Copy.objects.bulk_create(
            Copy(pk=9001 + i, barcode=f"C9{i:05}", title=title, branch_id=1) for i in range(2000)
        )
        Loan.objects.bulk_create(
            Loan(pk=9001 + i, copy_id=9001 + i, member=member, lent_on=TODAY, due_on=TODAY)
            for i in range(2000)
        )
        before = catalogue.overdue_by_branch(TODAY).get("MAIN", 0)
        after = catalogue.overdue_by_branch(date(2024, 5, 3))["MAIN"]
        self.assertEqual(after - before, 2000)
        self.assertEqual(catalogue.availability(title.isbn), {"copies": 2000, "free": 0})

# SPDX-License-Identifier: Apache-2.0
"""Tests that take the library apart. Each leaves it as `deploy` made it."""
from datetime import timedelta

from django.core.management import call_command

from desk import lending
from desk.models import Branch, Copy, Fine, Loan, Member, Title
from tests.support import TODAY, ReloadedTest, reload_library


class FixturesTest(ReloadedTest):
    def test_everything_is_there(self):
        counts = [model.objects.count() for model in (Branch, Member, Title, Copy, Loan, Fine)]
        self.assertEqual(counts, [3, 10, 36, 72, 5, 1])

    def test_first_new_row_follows_the_fixtures(self):
        reload_library()
        self.assertEqual(Title.objects.create(isbn="1", name="A", author="B", year=1).pk, 37)

    def test_burnt_library_is_stocked_again(self):
        call_command("flush", interactive=False, verbosity=0)
        self.assertEqual(Title.objects.count(), 0)
        with open("/dev/null", "w") as nowhere:
            call_command("stock", stdout=nowhere)
        self.assertEqual(Title.objects.count(), 36)

    def test_stocking_twice_changes_nothing(self):
        Title.objects.filter(pk=1).update(name="Renamed")
        with open("/dev/null", "w") as nowhere:
            call_command("stock", stdout=nowhere)
        self.assertEqual(Title.objects.get(pk=1).name, "Renamed")

    def test_everybody_returns_everything(self):
        for barcode in Loan.objects.filter(returned_on=None).values_list("copy__barcode"):
            lending.give_back(barcode[0], TODAY)
        self.assertFalse(Loan.objects.filter(returned_on=None).exists())
        self.assertEqual(Fine.objects.count(), 4)

    def test_amnesty(self):
        Fine.objects.update(paid=True)
        self.assertEqual([lending.debt(member) for member in Member.objects.all()], [0] * 10)

    def test_whole_stock_is_lent_and_comes_back(self):
        Loan.objects.all().delete()
        barcodes = list(Copy.objects.order_by("pk").values_list("barcode", flat=True))
        for i, barcode in enumerate(barcodes[:60]):
            lending.lend(barcode, f"M{i % 10 + 1:04}", TODAY)
        with self.assertRaisesRegex(lending.Refused, "too many"):
            lending.lend(barcodes[60], "M0001", TODAY)
        for barcode in barcodes[:60]:
            lending.give_back(barcode, TODAY + timedelta(22))
        self.assertEqual(Fine.objects.filter(cents=20).count(), 60)

    def test_branch_closes(self):
        Copy.objects.filter(branch__code="HILL").delete()
        Member.objects.filter(branch__code="HILL").update(branch_id=1)
        Branch.objects.get(code="HILL").delete()
        self.assertEqual(Branch.objects.count(), 2)

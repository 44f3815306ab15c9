# SPDX-License-Identifier: Apache-2.0
from django.db import IntegrityError
from django.db.models import Count, ProtectedError

from desk.models import Branch, Member
from tests.support import DeskTest


class MemberTest(DeskTest):
    def test_number_is_unique(self):
        self.member()
        with self.assertRaises(IntegrityError):
            self.member(pk=9002)

    def test_key_is_free_again(self):
        for _ in range(3):
            self.member().delete()
        self.assertFalse(Member.objects.filter(pk=9001).exists())

    def test_without_pin_nobody_signs_in(self):
        self.assertFalse(self.member().check_pin(""))

    def test_pin_is_checked(self):
        member = self.member()
        member.set_pin("2468")
        member.save()
        member.refresh_from_db()
        self.assertTrue(member.check_pin("2468"))

    def test_wrong_pin_is_wrong(self):
        member = self.member()
        member.set_pin("2468")
        self.assertFalse(member.check_pin("8642"))

    def test_same_pin_never_looks_the_same(self):
        member, pins = self.member(), set()
        for _ in range(5):
            member.set_pin("2468")
            pins.add(member.pin)
        self.assertEqual(len(pins), 5)

    def test_branch_with_members_stays(self):
        branch = Branch.objects.create(pk=9001, code="TEST", name="Test branch")
        self.member(branch_id=branch.pk)
        with self.assertRaises(ProtectedError):
            branch.delete()

    def test_three_thousand_new_members(self):
        rows = [
            Member(pk=9001 + i, number=f"M9{i:05}", name=f"Member {i}", branch_id=1 + i % 3)
            for i in range(3000)
        ]
        Member.objects.bulk_create(rows)
        counts = Member.objects.filter(pk__gte=9001).values("branch").annotate(n=Count("pk"))
        self.assertEqual(sorted(row["n"] for row in counts), [1000, 1000, 1000])
        found = Member.objects.filter(name__contains="99", pk__gte=9001).count()
        self.assertEqual(found, sum("99" in str(i) for i in range(3000)))

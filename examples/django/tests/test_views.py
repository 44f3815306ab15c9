# SPDX-License-Identifier: Apache-2.0
from desk import board
from desk.models import Loan
from tests.support import DeskTest


class OpenPagesTest(DeskTest):
    def get(self, path, status=200):
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, status)
        return answer.json()

    def test_front_page_lists_titles(self):
        self.assertContains(self.client.get("/"), "The Hound of the Baskervilles")

    def assertContains(self, answer, text):
        self.assertEqual(answer.status_code, 200)
        self.assertIn(text, answer.content.decode())

    def test_health(self):
        self.assertEqual(self.get("/health"), {"database": True, "board": True})

    def test_search(self):
        self.assertEqual(self.get("/titles?q=moonstone"), {"isbn": ["9780000000071"]})

    def test_title(self):
        found = self.get("/titles/9780000000040")
        self.assertEqual((found["copies"], found["free"], found["waiting"]), (2, 2, 0))

    def test_unknown_title(self):
        self.get("/titles/0", 404)

    def test_numbers_of_a_fresh_library(self):
        found = self.get("/numbers")
        self.assertEqual((found["lent_today"], found["popular"]), (0, []))
        self.assertEqual(sum(found["overdue"].values()), 3)


class SignedInTest(DeskTest):
    def setUp(self):
        super().setUp()
        member, _, _ = self.shelf()
        member.set_pin("2468")
        member.save()

    def post(self, path, status=200, **data):
        answer = self.client.post(path, data)
        self.assertEqual(answer.status_code, status, answer.content)
        return answer.json()

    def sign_in(self):
        self.post("/sign-in", number="M9001", pin="2468")

    def test_sign_in(self):
        found = self.post("/sign-in", number="M9001", pin="2468")
        self.assertEqual(found, {"name": "Test Member"})

    def test_three_wrong_pins_are_enough(self):
        for _ in range(3):
            self.post("/sign-in", 403, number="M9001", pin="0000")
        self.post("/sign-in", 429, number="M9001", pin="0000")

    def test_right_pin_forgives(self):
        self.post("/sign-in", 403, number="M9001", pin="0000")
        self.sign_in()
        self.assertIsNone(board.connection().get("wrong-pins:M9001"))

    def test_stranger_borrows_nothing(self):
        self.post("/copies/C90001/borrow", 401)

    def test_borrow_and_see_it(self):
        self.sign_in()
        due = self.post("/copies/C90001/borrow", 201)["due"]
        loans = self.client.get("/loans").json()["loans"]
        self.assertEqual(loans, [["C90001", due]])

    def test_borrow_twice(self):
        self.sign_in()
        self.post("/copies/C90001/borrow", 201)
        self.assertEqual(self.post("/copies/C90001/borrow", 409), {"error": "copy is lent"})

    def test_borrow_what_is_not_there(self):
        self.sign_in()
        self.post("/copies/C99999/borrow", 404)

    def test_return(self):
        self.sign_in()
        self.post("/copies/C90001/borrow", 201)
        self.assertEqual(self.post("/copies/C90001/return")["member"], "M9001")
        self.assertFalse(Loan.objects.filter(copy_id=9001, returned_on=None).exists())

    def test_reserve(self):
        self.sign_in()
        self.assertEqual(self.post("/titles/9789999999991/reserve"), {"place": 1})

    def test_flushed_sessions_are_gone(self):
        self.sign_in()
        self.room.wipe_cache()
        self.post("/copies/C90001/borrow", 401)

    def test_sign_out(self):
        self.sign_in()
        self.post("/sign-out")
        self.post("/copies/C90001/borrow", 401)

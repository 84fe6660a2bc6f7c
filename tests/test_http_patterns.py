"""What a request has to look like: patterns, and the fields in which a request differs."""

from __future__ import annotations

import json
import re
import unittest
from typing import Any
from unittest.mock import ANY

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict
from yarl import URL

from asynctesting.http import Call, RequestPattern, partial
from asynctesting.http._calls import parse_form


def call(
    method: str = "GET",
    url: str = "http://api.test/",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> Call:
    return Call(method, URL(url), CIMultiDictProxy(CIMultiDict(headers or {})), body=body)


def post(value: Any) -> Call:
    return call("POST", body=json.dumps(value).encode())


class PatternTests(unittest.TestCase):
    def fits(self, pattern: RequestPattern, *calls: Call) -> None:
        for each in calls:
            with self.subTest(pattern=str(pattern), call=str(each)):
                self.assertTrue(pattern.fits(each))
                self.assertEqual(pattern.differences(each), [])
                self.assertEqual(pattern.distance(each), 0)

    def differs(self, pattern: RequestPattern, request: Call, *fields: str) -> None:
        self.assertFalse(pattern.fits(request))
        self.assertEqual([d.field for d in pattern.differences(request)], list(fields))
        self.assertGreater(pattern.distance(request), 0)

    def test_an_empty_pattern_fits_everything(self) -> None:
        """What is not given may be anything."""
        self.fits(RequestPattern(), call(), call("POST", "https://a/b?c=d", b"x"))
        self.fits(RequestPattern("*", "*"), call("PURGE", "http://a/b"))

    def test_method(self) -> None:
        """A method is written in any case, and one that nobody knows as it is."""
        self.fits(RequestPattern("get"), call("GET"))
        self.fits(RequestPattern("PURGE"), call("PURGE"))
        self.differs(RequestPattern("POST"), call("GET"), "method")

    def test_path(self) -> None:
        """A path is compared whole, and the same however it is encoded."""
        pattern = RequestPattern(path="/caffè latte")

        self.fits(
            pattern, call(url="http://a/caff%C3%A8%20latte"), call(url="http://a/caffè latte")
        )
        self.differs(pattern, call(url="http://a/caff%C3%A8"), "path")
        self.differs(RequestPattern(path="/a"), call(url="http://a/a/"), "path")

    def test_template(self) -> None:
        """Templates are those of aiohttp's router, and what they find is decoded."""
        charge = RequestPattern(path="/v1/charges/{id}")
        numbered = RequestPattern(path=r"/v1/charges/{id:\d+}/{what}")

        self.assertEqual(charge.match_path(URL("http://a/v1/charges/a%2Fb")), {"id": "a/b"})
        self.assertIsNone(charge.match_path(URL("http://a/v1/charges/a/b")))
        self.assertEqual(
            numbered.match_path(URL("http://a/v1/charges/7/items")), {"id": "7", "what": "items"}
        )
        self.assertIsNone(numbered.match_path(URL("http://a/v1/charges/x/items")))

    def test_compiled_path(self) -> None:
        """A compiled pattern matches the whole decoded path, and its groups are found, too."""
        pattern = RequestPattern(path=re.compile(r"/(?P<drink>tea|caffè)"))

        self.assertEqual(pattern.match_path(URL("http://a/caffè")), {"drink": "caffè"})
        self.differs(pattern, call(url="http://a/tea/green"), "path")

    def test_params_are_those_that_must_be_there(self) -> None:
        """Others may be there as well, unless the query has to be exact."""
        some = RequestPattern(params={"page": 2})
        exact = RequestPattern(params={"page": 2}, exact_params=True)

        self.fits(some, call(url="http://a/?page=2"), call(url="http://a/?page=2&x=1"))
        self.fits(exact, call(url="http://a/?page=2"))
        self.differs(exact, call(url="http://a/?page=2&x=1"), "params['x']")
        self.differs(some, call(url="http://a/?page=3"), "params['page']")
        self.differs(some, call(url="http://a/"), "params['page']")
        self.differs(some, call(url="http://a/?page=2&page=2"), "params['page']")

    def test_params_of_every_kind(self) -> None:
        """Lists, pairs, strings, patterns, and those that stand in the path."""
        several = call(url="http://a/s?tag=a&tag=b&q=green%20tea")

        self.fits(RequestPattern(params={"tag": ["a", "b"]}), several)
        self.fits(RequestPattern(params=[("tag", "a"), ("tag", "b")]), several)
        self.fits(RequestPattern(params={"q": re.compile("green.*")}), several)
        self.fits(RequestPattern(params={"q": ANY}), several)
        self.fits(RequestPattern(path="/s?q=green+tea"), several)
        self.differs(RequestPattern(params={"tag": ["b", "a"]}), several, "params['tag']")

    def test_headers(self) -> None:
        """In any case, and None for one that must be absent."""
        request = call(headers={"Authorization": "Bearer x", "X-Tag": "a"})

        self.fits(RequestPattern(headers={"authorization": "Bearer x"}), request)
        self.fits(RequestPattern(headers={"authorization": re.compile("Bearer .+")}), request)
        self.fits(RequestPattern(headers={"X-Trace": None}), request)
        self.differs(RequestPattern(headers={"x-tag": "b"}), request, "headers['x-tag']")
        self.differs(RequestPattern(headers={"X-Tag": None}), request, "headers['X-Tag']")

    def test_json(self) -> None:
        """The whole value, with a field for each member that differs."""
        pattern = RequestPattern(json={"amount": 5, "items": [{"sku": "tea"}], "note": ANY})

        self.fits(pattern, post({"items": [{"sku": "tea"}], "note": [1], "amount": 5}))
        self.differs(
            pattern,
            post({"amount": 6, "items": [{"sku": "milk"}], "note": 1, "tip": 1}),
            "json['amount']",
            "json['items'][0]['sku']",
            "json['tip']",
        )
        self.differs(pattern, post({"amount": 5, "note": 1}), "json['items']")
        self.differs(pattern, call("POST", body=b"{nonsense"), "json")
        self.differs(pattern, call("POST"), "json")

    def test_json_null_and_truth_values(self) -> None:
        """``None`` is the value null, and true is not 1."""
        self.fits(RequestPattern(json=None), post(None))
        self.differs(RequestPattern(json=None), post(0), "json")
        self.differs(RequestPattern(json={"paid": True}), post({"paid": 1}), "json['paid']")
        self.fits(RequestPattern(json={"price": 5}), post({"price": 5.0}))

    def test_partial_json(self) -> None:
        """What is named counts, at each depth; a list has its length."""
        pattern = RequestPattern(json=partial({"payer": {"name": re.compile("A.*")}, "n": [1]}))

        self.fits(pattern, post({"payer": {"name": "Ada", "id": 3}, "n": [1], "x": 1}))
        self.differs(pattern, post({"payer": {"name": "Bob"}, "n": [1]}), "json['payer']['name']")
        self.differs(pattern, post({"payer": {"name": "Ada"}, "n": [1, 2]}), "len(json['n'])")
        self.fits(
            RequestPattern(json={"exact": partial({"a": 1})}), post({"exact": {"a": 1, "b": 2}})
        )

    def test_partial_is_a_value(self) -> None:
        """It can stand in any comparison."""
        self.assertEqual({"a": 1, "b": 2}, partial({"a": 1}))
        self.assertNotEqual({"b": 2}, partial({"a": 1}))
        self.assertEqual(repr(partial({"a": 1})), "partial({'a': 1})")

    def test_form(self) -> None:
        """The fields of a form, urlencoded or multipart."""
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        form = call("POST", body=b"sku=green+tea&n=2&n=3", headers=kind)

        self.fits(RequestPattern(data={"sku": "green tea", "n": [2, 3]}), form)
        self.differs(RequestPattern(data={"sku": "tea", "n": [2, 3]}), form, "data['sku']")
        self.differs(RequestPattern(data={"sku": "green tea"}), form, "data['n']")

    def test_multipart_form(self) -> None:
        """Of an upload the bytes; a field that is no file is text."""
        body = (
            b'--x\r\nContent-Disposition: form-data; name="sku"\r\n\r\nth\xc3\xa9\r\n'
            b'--x\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="f"; '
            b'filename="f.png"\r\n\r\n\x00\xff\r\n\r\n\r\n--x--\r\n'
        )
        form = parse_form("multipart/form-data; boundary=x", body)

        self.assertEqual(form, MultiDict({"sku": "thé", "f": b"\x00\xff\r\n\r\n"}))

    def test_content(self) -> None:
        """The body as bytes, as text, or by a pattern."""
        request = call("POST", body="thé".encode())

        self.fits(RequestPattern(content="thé"), request)
        self.fits(RequestPattern(content="thé".encode()), request)
        self.fits(RequestPattern(data="thé"), request)
        self.fits(RequestPattern(content=re.compile("th.")), request)
        self.fits(RequestPattern(content=re.compile(b"th..")), request)
        self.differs(RequestPattern(content=b"tea"), request, "content")

    def test_match(self) -> None:
        """A function of the call has the last word."""

        def is_large(call: Call) -> bool:
            return len(call.body) > 3

        self.fits(RequestPattern(match=is_large), call(body=b"1234"))
        pattern = RequestPattern(match=is_large)
        self.differs(pattern, call(body=b"1"), "match")
        self.assertIn("is_large(call) to be true", str(pattern.differences(call(body=b"1"))))

    def test_the_nearest_is_the_one_with_the_likest_path(self) -> None:
        """A wrong method on the right path is nearer than another path."""
        request = call("GET", "http://a/v2/price")
        near, far = RequestPattern("GET", "/v1/price"), RequestPattern("GET", "/stock")
        method = RequestPattern("POST", "/v2/price")

        self.assertLess(near.distance(request), far.distance(request))
        self.assertLess(method.distance(request), far.distance(request))


class MistakeTests(unittest.TestCase):
    """Each is said where the pattern is written."""

    def refuses(self, kind: type[Exception], message: str, *args: Any, **options: Any) -> None:
        with self.assertRaisesRegex(kind, message):
            RequestPattern(*args, **options)

    def test_two_bodies(self) -> None:
        """A request has one."""
        self.refuses(TypeError, "json= and content= each describe one", json=1, content="1")

    def test_a_url_in_place_of_a_path(self) -> None:
        """The message has the path."""
        self.refuses(ValueError, "Write the path alone: '/b'", "GET", "https://a.test/b")

    def test_a_path_without_a_slash(self) -> None:
        """The message has it right."""
        self.refuses(ValueError, "write '/charges' in place of 'charges'", "GET", "charges")

    def test_a_template_that_is_none(self) -> None:
        """aiohttp's own complaint is in the message."""
        self.refuses(ValueError, "no template that aiohttp's router understands", "GET", "/a/{b")

    def test_a_fragment(self) -> None:
        """Which no client sends."""
        self.refuses(ValueError, "'#top' can never match", "GET", "/a#top")

    def test_a_truth_value_in_a_query(self) -> None:
        """Nobody knows how the client writes it."""
        self.refuses(TypeError, "a query has only strings", params={"a": True})

    def test_values_of_the_wrong_kind(self) -> None:
        """Method, header, form, function."""
        self.refuses(ValueError, "is no HTTP method", "GET /a")
        self.refuses(TypeError, "must be absent", headers={"a": 1})
        self.refuses(TypeError, "fields of a form", data=1)
        self.refuses(TypeError, "a function that gets the call", match=1)
        self.refuses(TypeError, "a path is a string", "GET", 7)


class LanguageTests(unittest.TestCase):
    def test_a_pattern_in_words(self) -> None:
        """As it stands in messages: what was given, and nothing else."""
        pattern = RequestPattern(
            "POST",
            "/a/{b}",
            params={"c": 1},
            headers={"X": None},
            json=partial({"d": 1}),
        )

        self.assertEqual(
            str(pattern),
            "POST /a/{b} params={'c': '1'} headers={'X': None} json=partial({'d': 1})",
        )
        self.assertEqual(str(RequestPattern()), "any method any path")
        self.assertIn("data={'a': 'b'}", str(RequestPattern(data={"a": "b"})))
        self.assertIn("content=b'x'", str(RequestPattern(content="x")))
        self.assertEqual(repr(RequestPattern("GET", "/")), "<RequestPattern GET />")


if __name__ == "__main__":
    unittest.main()

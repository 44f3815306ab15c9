# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

start_anew;
post(name => 'Ann', number => '555 100');
is search('a')->{headers}{'x-from'}, 'database', 'the first search asks the database';
is search('a')->{headers}{'x-from'}, 'cache', 'the second does not';
is search('a')->{content}, "Ann\t555 100\n", 'and finds the same';
post(name => 'Alf', number => '555 200');
is search('a')->{headers}{'x-from'}, 'database', 'a change makes it ask again';
is search('a')->{content}, "Alf\t555 200\nAnn\t555 100\n", 'and find what is new';
cache->flush_all;
is search('a')->{headers}{'x-from'}, 'database', 'so does an empty cache';
is search('x' x 300)->{content}, '', 'long words are searched';
is search('x' x 300)->{headers}{'x-from'}, 'database', 'and not kept';
done_testing;

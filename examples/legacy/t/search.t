# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

start_anew;
is search('')->{content}, '', 'the book is empty';
is post(name => 'Ann', number => '555 100'), 201, 'Ann has a number';
is post(name => 'Bob', number => '555 200'), 201, 'Bob has a number';
is search('ann')->{content}, "Ann\t555 100\n", 'Ann is found';
is search('')->{content}, "Ann\t555 100\nBob\t555 200\n", 'all are found';
is search('carol')->{content}, '', 'Carol is not found';
is search('%')->{content}, '', 'a percent sign is one';
is post(name => "O'Neil \x{22}Z\x{22}; --", number => '555 300'), 201, 'a name may hold anything';
is search("o'neil")->{content}, "O'Neil \x{22}Z\x{22}; --\t555 300\n", 'and is found';
done_testing;

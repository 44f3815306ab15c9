# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

start_anew;
is post(name => 'Ann', number => '555 100'), 201, 'a number is given';
is post(name => 'Bob', number => '555 100'), 409, 'not twice';
is post(name => ' ', number => '555 200'), 422, 'not to nobody';
is post(name => 'Bob', number => 'none'), 422, 'not one that is none';
is search('')->{content}, "Ann\t555 100\n", 'nothing came of these';
is post(remove => '555 999'), 404, 'one that nobody has cannot be taken';
is post(remove => '555 100'), 200, 'a number is taken';
is search('')->{content}, '', 'nobody has it';
done_testing;

// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { useServer } = require('../support');

const world = useServer();
const sign = (guest) => world.post('/entries', { guest, text: 'Hello' });

test('a stranger', async () => {
    assert.deepEqual(await world.get('/guests/nobody'), [200, { guest: 'nobody', visits: 0 }]);
});

test('a guest who came twice', async () => {
    await sign('ann');
    await sign('ann');
    assert.deepEqual(await world.get('/guests/ann'), [200, { guest: 'ann', visits: 2 }]);
});

test('a guest with a long name', async () => {
    await sign('ann / bob');
    assert.deepEqual(await world.get('/guests/ann%20%2F%20bob'), [200, { guest: 'ann / bob', visits: 1 }]);
});

test('the regulars', async () => {
    for (const guest of ['ann', 'bob', 'bob', 'cid', 'cid', 'cid', 'dan', 'dan', 'dan', 'dan']) await sign(guest);
    assert.deepEqual(await world.get('/guests'), [200, ['dan', 'cid', 'bob']]);
});

test('guests who all come at once', async () => {
    await Promise.all(Array.from({ length: 50 }, () => sign('crowd')));
    assert.deepEqual(await world.get('/guests/crowd'), [200, { guest: 'crowd', visits: 50 }]);
});

// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { useServer } = require('../support');

const world = useServer();

test('is healthy', async () => {
    assert.deepEqual(await world.get('/health'), [200, { redis: 'PONG' }]);
});

test('is alone with its redis', async () => {
    for (let i = 1; i <= 200; i++) assert.equal(await world.book.client.incr('mark'), i);
});

// What only somebody with a redis of their own may do.
test('says so when redis is gone', async () => {
    await world.book.client.sendCommand(['SHUTDOWN', 'NOSAVE']).catch(() => {});
    assert.deepEqual(await world.get('/health'), [503, { error: 'the book is not at hand' }]);
    assert.deepEqual(await world.get('/entries'), [503, { error: 'the book is not at hand' }]);
});

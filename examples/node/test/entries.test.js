// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { useServer } = require('../support');

const world = useServer();

test('an empty book', async () => {
    assert.deepEqual(await world.get('/entries'), [200, []]);
});

test('signing it', async () => {
    assert.deepEqual(await world.post('/entries', { guest: 'ann', text: 'Hello' }), [201, { entries: 1 }]);
    assert.deepEqual(await world.get('/entries'), [200, [{ guest: 'ann', text: 'Hello' }]]);
});

test('newest first', async () => {
    for (const text of ['one', 'two', 'three']) await world.post('/entries', { guest: 'ann', text });
    const [, entries] = await world.get('/entries');
    assert.deepEqual(entries.map((entry) => entry.text), ['three', 'two', 'one']);
});

test('the last ten', async () => {
    for (let i = 0; i < 12; i++) await world.post('/entries', { guest: 'ann', text: `${i}` });
    const [, entries] = await world.get('/entries');
    assert.equal(entries.length, 10);
});

test('as many as wanted', async () => {
    for (let i = 0; i < 5; i++) await world.post('/entries', { guest: 'ann', text: `${i}` });
    const [, entries] = await world.get('/entries?count=2');
    assert.deepEqual(entries.map((entry) => entry.text), ['4', '3']);
});

test('any letters', async () => {
    await world.post('/entries', { guest: 'Zoë', text: '“¿qué?” \u{1F600}' });
    const [, [entry]] = await world.get('/entries');
    assert.deepEqual(entry, { guest: 'Zoë', text: '“¿qué?” \u{1F600}' });
});

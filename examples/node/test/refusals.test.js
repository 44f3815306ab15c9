// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { useServer } = require('../support');

const world = useServer();
const cases = [
    ['no JSON', '{', 400, 'not JSON'],
    ['no guest', { text: 'x' }, 422, 'who are you?'],
    ['a guest that is a number', { guest: 1, text: 'x' }, 422, 'who are you?'],
    ['no text', { guest: 'ann' }, 422, 'nothing is written'],
    ['an empty text', { guest: 'ann', text: '' }, 422, 'nothing is written'],
    ['a text too long', { guest: 'ann', text: 'x'.repeat(10000) }, 413, 'too long'],
];

for (const [name, body, status, error] of cases) {
    test(`refuses ${name}`, async () => {
        assert.deepEqual(await world.post('/entries', body), [status, { error }]);
        assert.deepEqual(await world.get('/entries'), [200, []]);
    });
}

test('refuses a strange count', async () => {
    assert.deepEqual(await world.get('/entries?count=many'), [400, { error: 'how many?' }]);
});

test('refuses an unknown page', async () => {
    assert.deepEqual(await world.get('/nowhere'), [404, { error: 'there is no such page' }]);
});

// For those who want to see a red report: cleanroom -e GUESTBOOK_BROKEN=1 ...
test('is not broken on demand', () => {
    assert.equal(process.env.GUESTBOOK_BROKEN, undefined);
});

CREATE TABLE seed (id integer PRIMARY KEY, word text NOT NULL);
INSERT INTO seed SELECT n, 'word ' || n FROM generate_series(1, 1000) AS n;

// SPDX-License-Identifier: PostgreSQL
// natives - what pgx does in its own way: notifications, COPY, cancelling, cursors, its pool, its statement cache.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const holdable = "declare ours cursor with hold for select n::text from generate_series(1, 9) n"

var natives = map[string]func(context.Context) ([]string, error){
	"notify": notify, "copy": copies, "cancel": cancels, "cursor": cursor, "pool": pool, "prepared": prepared,
	"batch": batch,
}

// each runs statements until one fails.
func each(ctx context.Context, connection *pgx.Conn, statements ...string) (err error) {
	for _, sql := range statements {
		if _, err = connection.Exec(ctx, sql); err != nil {
			return
		}
	}
	return
}

func notify(ctx context.Context) (found []string, err error) {
	hearer, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer hearer.Close(ctx)
	teller, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer teller.Close(ctx)
	if err = each(ctx, hearer, "listen news"); err != nil {
		return
	}
	err = each(ctx, teller, "notify news, 'first'", "begin", "notify news, 'second'", "commit",
		"begin", "notify news, 'never'", "rollback")
	if err != nil {
		return
	}
	for len(found) < 3 {
		var notice *pgconn.Notification
		if notice, err = hearer.WaitForNotification(ctx); err != nil {
			return
		}
		found = append(found, notice.Payload)
		if len(found) == 2 {
			err = each(ctx, hearer, "notify news, 'own'")
		}
	}
	return
}

func copies(ctx context.Context) (found []string, err error) {
	connection, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	if err = each(ctx, connection, "create temp table copied (n int, t text)"); err != nil {
		return
	}
	rows := make([][]any, 1000)
	for n := range rows {
		rows[n] = []any{n, fmt.Sprintf("line %d", n)}
	}
	count, err := connection.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"n", "t"}, pgx.CopyFromRows(rows))
	if err != nil {
		return
	}
	var out bytes.Buffer
	if _, err = connection.PgConn().CopyTo(ctx, &out, "copy copied to stdout"); err != nil {
		return
	}
	sum, err := ask(ctx, connection, "select sum(n)::text from copied")
	return []string{words(count), words(strings.Count(out.String(), "\n")), sum}, err
}

// cancels: a context that ends closes the connection; CancelRequest keeps it.
func cancels(ctx context.Context) (found []string, err error) {
	connection, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	time.AfterFunc(300*time.Millisecond, func() { connection.PgConn().CancelRequest(ctx) })
	_, asked := ask(ctx, connection, "select pg_sleep(30)")
	var fromServer *pgconn.PgError
	if errors.As(asked, &fromServer) {
		found = append(found, fromServer.Code)
	}
	answer, err := ask(ctx, connection, "select 'awake'")
	return append(found, answer), err
}

func cursor(ctx context.Context) (found []string, err error) {
	connection, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	err = pgx.BeginFunc(ctx, connection, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, holdable); err != nil {
			return
		}
		return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			_, err := inner.Exec(ctx, "select 1 / 0")
			found = append(found, words(err != nil))
			return nil
		})
	})
	found = append(found, words(err != nil))
	err = each(ctx, connection, "begin", holdable, "commit")
	for turn := 0; turn < 3 && err == nil; turn++ {
		var value string
		value, err = ask(ctx, connection, "fetch 2 from ours")
		found = append(found, value)
	}
	return
}

// pool: pgxpool resets nothing; connections that are in a transaction when released are closed.
func pool(ctx context.Context) (found []string, err error) {
	config, err := pgxpool.ParseConfig(address() + " pool_max_conns=3 pool_min_conns=1")
	if err != nil {
		return
	}
	config.AfterConnect = func(ctx context.Context, connection *pgx.Conn) error {
		return each(ctx, connection, "set my.mine = 'after connect'", "set search_path = path_two, public")
	}
	connections, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return
	}
	defer connections.Close()
	var workers sync.WaitGroup
	wrong := make(chan string, 200)
	for worker := 0; worker < 8; worker++ {
		workers.Add(1)
		go func(worker int) {
			defer workers.Done()
			for turn := 0; turn < 25; turn++ {
				var mine, name string
				var sum int
				err := connections.QueryRow(ctx, "select current_setting('my.mine'), name, $1::int + 1 from placed", turn).
					Scan(&mine, &name, &sum)
				if err != nil || mine != "after connect" || name != "two" || sum != turn+1 {
					wrong <- fmt.Sprint(err, mine, name, sum)
				}
			}
		}(worker)
	}
	workers.Wait()
	close(wrong)
	for one := range wrong {
		return found, errors.New(one)
	}
	return []string{"200 right"}, nil
}

// prepared: every statement is; a changed result must end in an error that makes the cache forget, and then work.
func prepared(ctx context.Context) (found []string, err error) {
	connection, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	if err = each(ctx, connection, "drop table if exists shaped", "create table shaped as select 1 as a"); err != nil {
		return
	}
	for turn := 0; turn < 6; turn++ {
		if turn == 3 {
			if err = each(ctx, connection, "alter table shaped add column b int"); err != nil {
				return
			}
		}
		rows, _ := connection.Query(ctx, "select * from shaped")
		rows.Next()
		count := len(rows.FieldDescriptions())
		rows.Close()
		if rows.Err() != nil {
			found = append(found, failure("prepared, as it may be", rows.Err())[1:])
		} else {
			found = append(found, words(count))
		}
	}
	if _, err = connection.Prepare(ctx, "ours", "select $1::int * 2"); err != nil {
		return
	}
	var value int
	for turn := 0; turn < 3 && err == nil; turn++ {
		err = connection.QueryRow(ctx, "ours", turn).Scan(&value)
		found = append(found, words(value))
	}
	if err == nil {
		err = connection.DeallocateAll(ctx)
	}
	if err == nil {
		err = connection.QueryRow(ctx, "select $1::int * 3", 2).Scan(&value)
	}
	return append(found, words(value)), err
}

func batch(ctx context.Context) (found []string, err error) {
	connection, err := connect(ctx, nil)
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	var statements pgx.Batch
	statements.Queue("set my.mine = 'batch'")
	for turn := 0; turn < 10; turn++ {
		statements.Queue("select current_setting('my.mine') || $1::text", fmt.Sprint(turn))
	}
	results := connection.SendBatch(ctx, &statements)
	if _, err = results.Exec(); err != nil {
		return
	}
	for turn := 0; turn < 10 && err == nil; turn++ {
		var value string
		err = results.QueryRow().Scan(&value)
		found = append(found, value)
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	if err == nil {
		var after string
		after, err = ask(ctx, connection, "show my.mine")
		found = append(found, after)
	}
	return
}

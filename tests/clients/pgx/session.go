// SPDX-License-Identifier: PostgreSQL
// session - one session by way of pgx: login, queries, prepared statements, transactions; prints a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const turns = 20

func given(name string) string {
	return os.Getenv("CLIENT_" + name)
}

// connectionString is in libpq's language, of which pgx knows most words.
func connectionString() string {
	words := map[string]string{
		"host": given("HOST"), "port": given("PORT"), "user": given("USER"), "password": given("PASSWORD"),
		"dbname": given("DATABASE"), "sslmode": given("SSLMODE"), "sslrootcert": given("CA"),
		"sslcert": given("CERT"), "sslkey": given("KEY"), "connect_timeout": "20",
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var text strings.Builder
	for word, value := range words {
		if value != "" {
			fmt.Fprintf(&text, "%s='%s' ", word, quote.Replace(value))
		}
	}
	return strings.TrimSpace(text.String())
}

// sum runs one statement over and over; pgx prepares it on the server and keeps it.
func sum(ctx context.Context, connection *pgx.Conn) (total int, err error) {
	for turn := 0; turn < turns; turn++ {
		var value int
		if err = connection.QueryRow(ctx, "select $1::int + 1", turn).Scan(&value); err != nil {
			return
		}
		total += value
	}
	return
}

func rollsBack(ctx context.Context, connection *pgx.Conn) (gone bool, err error) {
	transaction, err := connection.Begin(ctx)
	if err != nil {
		return
	}
	var count int
	if _, err = transaction.Exec(ctx, "create temp table kept (n int)"); err != nil {
		return
	}
	if _, err = transaction.Exec(ctx, "insert into kept values (1), (2)"); err != nil {
		return
	}
	if err = transaction.QueryRow(ctx, "select count(*) from kept").Scan(&count); err != nil {
		return
	}
	if err = transaction.Rollback(ctx); err != nil {
		return
	}
	err = connection.QueryRow(ctx, "select to_regclass('pg_temp.kept') is null").Scan(&gone)
	return gone && count == 2, err
}

func session(ctx context.Context) (found map[string]any, err error) {
	connection, err := pgx.Connect(ctx, connectionString())
	if err != nil {
		return
	}
	defer connection.Close(ctx)
	var user string
	if err = connection.QueryRow(ctx, "select session_user", pgx.QueryExecModeSimpleProtocol).Scan(&user); err != nil {
		return
	}
	total, err := sum(ctx, connection)
	if err != nil {
		return
	}
	gone, err := rollsBack(ctx, connection)
	if err != nil {
		return
	}
	var tls bool
	err = connection.QueryRow(ctx, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").Scan(&tls)
	return map[string]any{"user": user, "sum": total, "rolled_back": gone, "server_tls": tls}, err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	found, err := session(ctx)
	if err != nil {
		var fromServer *pgconn.PgError
		state := ""
		if errors.As(err, &fromServer) {
			state = fromServer.Code
		}
		found = map[string]any{"sqlstate": state, "error": err.Error()}
	}
	line, _ := json.Marshal(found)
	fmt.Println(string(line))
}

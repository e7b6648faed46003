// SPDX-License-Identifier: PostgreSQL
// main - runs the scripts on its standard input with pgx and its defaults; session.py says how they look.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const patience = 30 * time.Second

type script struct {
	name        string
	startup     map[string]string
	connections map[string]*pgx.Conn
	found       []string
}

func address() string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s", os.Getenv("CLIENT_HOST"), os.Getenv("CLIENT_PORT"),
		os.Getenv("CLIENT_USER"), os.Getenv("CLIENT_DATABASE"))
}

func connect(ctx context.Context, startup map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(address())
	if err != nil {
		return nil, err
	}
	for key, value := range startup {
		config.RuntimeParams[key] = value
	}
	return pgx.ConnectConfig(ctx, config)
}

func words(value any) string {
	if value == nil {
		return `\N`
	}
	return strings.NewReplacer("\t", " ", "\n", " ").Replace(fmt.Sprint(value))
}

// failure is the SQLSTATE of an error.
func failure(name string, err error) string {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	var fromServer *pgconn.PgError
	if errors.As(err, &fromServer) {
		return "!" + fromServer.Code
	}
	return "!" + words(err)
}

func ask(ctx context.Context, connection *pgx.Conn, sql string, arguments ...string) (string, error) {
	given := make([]any, len(arguments))
	for i, argument := range arguments {
		given[i] = argument
	}
	rows, err := connection.Query(ctx, sql, given...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	answer := `\N`
	if rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		if len(values) > 0 {
			answer = words(values[0])
		}
	}
	rows.Close()
	return answer, rows.Err()
}

func (s *script) ask(ctx context.Context, name, sql string, arguments []string) (string, error) {
	if s.connections[name] == nil {
		connection, err := connect(ctx, s.startup)
		if err != nil {
			return "", err
		}
		s.connections[name] = connection
	}
	return ask(ctx, s.connections[name], sql, arguments...)
}

func (s *script) line(ctx context.Context, kind string, rest []string) {
	switch kind {
	case "startup":
		s.startup[rest[0]] = rest[1]
	case "close":
		s.connections[rest[0]].Close(ctx)
		delete(s.connections, rest[0])
	case "native":
		found, err := natives[rest[0]](ctx)
		s.found = append(s.found, found...)
		if err != nil {
			s.found = append(s.found, failure(s.name, err))
		}
	default:
		answer, err := s.ask(ctx, rest[0], rest[1], rest[2:])
		if err != nil {
			answer = failure(s.name, err)
		}
		s.found = append(s.found, answer)
	}
}

func (s *script) end(ctx context.Context) {
	for _, connection := range s.connections {
		connection.Close(ctx)
	}
	fmt.Println(strings.Join(append([]string{s.name}, s.found...), "\t"))
}

func main() {
	var current *script
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if fields[0] == "script" {
			if current != nil {
				current.end(ctx)
			}
			current = &script{fields[1], map[string]string{}, map[string]*pgx.Conn{}, nil}
		} else {
			current.line(ctx, fields[0], fields[1:])
		}
		cancel()
	}
	current.end(context.Background())
}

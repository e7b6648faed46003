// SPDX-License-Identifier: PostgreSQL
// Natives - what JDBC does in its own way: notifications, COPY, cancelling, fetching in parts, prepared statements.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;
import java.util.function.Consumer;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

final class Natives {
    private Natives() {
    }

    static void run(String name, Consumer<Object> found) throws Exception {
        switch (name) {
        case "notify":
            hear(found);
            break;
        case "copy":
            copy(found);
            break;
        case "cancel":
            cancel(found);
            break;
        case "cursor":
            cursor(found);
            break;
        case "prepared":
            prepared(found);
            break;
        case "transactions":
            transactions(found);
            break;
        default:
            throw new IllegalArgumentException(name);
        }
    }

    private static Connection connect() throws SQLException {
        return Script.connect(Map.of());
    }

    private static void hear(Consumer<Object> found) throws SQLException {
        try (Connection hearer = connect(); Connection teller = connect()) {
            Script.run(hearer, "listen news");
            Script.run(teller, "notify news, 'first'", "begin", "notify news, 'second'", "commit", "begin",
                "notify news, 'never'", "rollback");
            for (int heard = 0; heard < 3;) {
                PGNotification[] notices = hearer.unwrap(PGConnection.class).getNotifications(10000);
                if (notices == null || notices.length == 0)
                    throw new SQLException("no notification came in 10 s");
                for (PGNotification notice : notices)
                    found.accept(notice.getParameter());
                heard += notices.length;
                if (heard == 2)
                    Script.run(hearer, "notify news, 'own'");
            }
        }
    }

    private static void copy(Consumer<Object> found) throws Exception {
        try (Connection connection = connect()) {
            Script.run(connection, "create temp table copied (n int, t text)");
            StringBuilder lines = new StringBuilder();
            for (int n = 0; n < 1000; n++)
                lines.append(n).append("\tline ").append(n).append('\n');
            CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
            found.accept(copies.copyIn("copy copied from stdin", new StringReader(lines.toString())));
            StringWriter out = new StringWriter();
            copies.copyOut("copy copied to stdout", out);
            found.accept(out.toString().equals(lines.toString()));
            found.accept(Script.ask(connection, "select sum(n) from copied"));
        }
    }

    private static void cancel(Consumer<Object> found) throws SQLException {
        Timer timer = new Timer(true);
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        statement.cancel();
                    } catch (SQLException trouble) {
                        System.err.println("cancel: " + trouble);
                    }
                }
            }, 300);
            try {
                statement.execute("select pg_sleep(30)");
                found.accept("it slept");
            } catch (SQLException trouble) {
                found.accept(trouble.getSQLState());
            }
            statement.setQueryTimeout(1);
            try {
                statement.execute("select pg_sleep(30)");
                found.accept("it slept");
            } catch (SQLException trouble) {
                found.accept(trouble.getSQLState());
            }
            found.accept(Script.ask(connection, "select 'awake'"));
        }
        timer.cancel();
    }

    /** Fetched by portals in a transaction; a holdable result set is read as a whole at once. */
    private static void cursor(Consumer<Object> found) throws SQLException {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            int[] holdabilities = { ResultSet.CLOSE_CURSORS_AT_COMMIT, ResultSet.HOLD_CURSORS_OVER_COMMIT };
            for (int holdability : holdabilities) {
                long sum = 0;
                try (PreparedStatement statement = connection.prepareStatement("select n from generate_series(1, ?) n",
                    ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, holdability)) {
                    statement.setFetchSize(7);
                    statement.setInt(1, 100);
                    ResultSet rows = statement.executeQuery();
                    while (rows.next()) {
                        sum += rows.getInt(1);
                        if (holdability == ResultSet.HOLD_CURSORS_OVER_COMMIT)
                            connection.commit();
                    }
                }
                connection.commit();
                found.accept(sum);
            }
        }
    }

    /** Prepared on the server from the fifth time on; a changed result is retried, in a transaction it is an error. */
    private static void prepared(Consumer<Object> found) throws SQLException {
        try (Connection connection = connect()) {
            Script.run(connection, "drop table if exists shaped", "create table shaped as select 1 as a");
            long sum = 0;
            try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1")) {
                for (int turn = 0; turn < 20; turn++) {
                    statement.setInt(1, turn);
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        sum += rows.getInt(1);
                    }
                }
            }
            found.accept(sum);
            for (int turn = 0; turn < 16; turn++) {
                if (turn == 8)
                    Script.run(connection, "alter table shaped add column b int");
                if (turn == 12)
                    connection.setAutoCommit(false);
                if (turn == 13)
                    Script.run(connection, "alter table shaped add column c int");
                found.accept(columns(connection));
            }
            connection.rollback();
            connection.setAutoCommit(true);
            found.accept(columns(connection));
            Script.run(connection, "deallocate all", "discard all");
            found.accept(columns(connection));
            Script.run(connection, "drop table shaped");
        }
    }

    private static Object columns(Connection connection) {
        try (PreparedStatement statement = connection.prepareStatement("select * from shaped");
             ResultSet rows = statement.executeQuery()) {
            return rows.getMetaData().getColumnCount();
        } catch (SQLException trouble) {
            return trouble.getSQLState();
        }
    }

    private static void transactions(Consumer<Object> found) throws SQLException {
        try (Connection connection = connect()) {
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            connection.setReadOnly(true);
            connection.setSchema("path_two");
            for (int turn = 0; turn < 3; turn++) {
                found.accept(Script.ask(connection, "show transaction_isolation"));
                found.accept(Script.ask(connection, "show transaction_read_only"));
                found.accept(Script.ask(connection, "select name from placed"));
            }
            connection.setReadOnly(false);
            connection.setAutoCommit(false);
            Script.run(connection, "create temp table mine (n int) on commit drop");
            Savepoint savepoint = connection.setSavepoint("ours");
            try {
                Script.run(connection, "select 1 / 0");
            } catch (SQLException trouble) {
                found.accept(trouble.getSQLState());
            }
            connection.rollback(savepoint);
            try (PreparedStatement statement = connection.prepareStatement("insert into mine values (?)")) {
                for (int n = 0; n < 100; n++) {
                    statement.setInt(1, n);
                    statement.addBatch();
                }
                found.accept(statement.executeBatch().length);
            }
            found.accept(Script.ask(connection, "select sum(n) from mine"));
            connection.commit();
            found.accept(Script.ask(connection, "select to_regclass('mine')::text"));
        }
    }
}

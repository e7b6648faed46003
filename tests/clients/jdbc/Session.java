// SPDX-License-Identifier: PostgreSQL
// Session - one session by way of JDBC: login, queries, prepared statements, transactions; prints a line of JSON.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

public class Session {
    private static final int TURNS = 20;

    private static String given(String name) {
        String value = System.getenv("CLIENT_" + name);
        return value == null ? "" : value;
    }

    private static void option(Properties properties, String key, String name) {
        if (!given(name).isEmpty())
            properties.setProperty(key, given(name));
    }

    private static Properties properties() {
        Properties properties = new Properties();
        option(properties, "user", "USER");
        option(properties, "password", "PASSWORD");
        option(properties, "sslmode", "SSLMODE");
        option(properties, "sslrootcert", "CA");
        option(properties, "sslcert", "CERT");
        option(properties, "sslkey", "KEY_DER");
        option(properties, "channelBinding", "BINDING");
        option(properties, "sslNegotiation", "NEGOTIATION");
        properties.setProperty("prepareThreshold", "2");
        properties.setProperty("loginTimeout", "20");
        properties.setProperty("gssEncMode", "disable");
        return properties;
    }

    private static String text(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }

    /* The driver prepares on the server from the second turn on. */
    private static long sum(Connection connection) throws SQLException {
        long sum = 0;
        try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1")) {
            for (int turn = 0; turn < TURNS; turn++) {
                statement.setInt(1, turn);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    sum += rows.getInt(1);
                }
            }
        }
        return sum;
    }

    private static boolean rollsBack(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute("create temp table kept (n int)");
            statement.execute("insert into kept values (1), (2)");
        }
        boolean seen = text(connection, "select count(*) from kept").equals("2");
        connection.rollback();
        connection.setAutoCommit(true);
        return seen && text(connection, "select to_regclass('pg_temp.kept') is null").equals("t");
    }

    private static String quoted(String text) {
        StringBuilder result = new StringBuilder("\"");
        for (char c : text.toCharArray())
            result.append(c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", (int) c) : "" + c);
        return result.append('"').toString();
    }

    public static void main(String[] arguments) {
        String url = "jdbc:postgresql://" + given("HOST") + ":" + given("PORT") + "/" + given("DATABASE");
        try (Connection connection = DriverManager.getConnection(url, properties())) {
            String user = text(connection, "select session_user");
            System.out.printf("{\"user\": %s, \"sum\": %d, \"rolled_back\": %b, \"server_tls\": %b}%n", quoted(user),
                sum(connection), rollsBack(connection),
                text(connection, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").equals("t"));
        } catch (SQLException trouble) {
            String state = trouble.getSQLState() == null ? "" : trouble.getSQLState();
            System.out.printf("{\"sqlstate\": %s, \"error\": %s}%n", quoted(state), quoted("" + trouble.getMessage()));
        }
    }
}

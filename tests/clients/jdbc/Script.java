// SPDX-License-Identifier: PostgreSQL
// Script - runs the scripts on its standard input with JDBC and its defaults; session.py says how they look.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

public class Script {
    private final String name;
    private final Map<String, String> startup = new HashMap<>();
    private final Map<String, Connection> connections = new HashMap<>();
    private final List<String> found = new ArrayList<>();

    private Script(String name) {
        this.name = name;
    }

    static Connection connect(Map<String, String> startup) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("CLIENT_USER"));
        StringBuilder options = new StringBuilder();
        for (Map.Entry<String, String> setting : startup.entrySet()) {
            if (setting.getKey().equals("application_name"))
                properties.setProperty("ApplicationName", setting.getValue());
            else
                options.append(" -c ").append(setting.getKey()).append('=').append(setting.getValue());
        }
        if (options.length() > 0)
            properties.setProperty("options", options.substring(1));
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("CLIENT_HOST") + ":"
            + System.getenv("CLIENT_PORT") + "/" + System.getenv("CLIENT_DATABASE"), properties);
    }

    static String ask(Connection connection, String sql, String... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql.replace("$1", "?"))) {
            for (int at = 0; at < values.length; at++)
                statement.setString(at + 1, values[at]);
            if (!statement.execute())
                return null;
            try (ResultSet rows = statement.getResultSet()) {
                return rows.next() ? rows.getString(1) : null;
            }
        }
    }

    static void run(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements)
                statement.execute(sql);
        }
    }

    private static String words(Object value) {
        return value == null ? "\\N" : value.toString().replace('\t', ' ').replace('\n', ' ');
    }

    private String failure(Exception trouble) {
        System.err.println(name + ": " + trouble);
        String state = trouble instanceof SQLException ? ((SQLException) trouble).getSQLState() : null;
        return "!" + (state == null ? trouble.getClass().getSimpleName() : state);
    }

    private void line(String[] words) throws SQLException {
        switch (words[0]) {
        case "startup":
            startup.put(words[1], words[2]);
            break;
        case "close":
            connections.remove(words[1]).close();
            break;
        case "native":
            try {
                Natives.run(words[1], value -> found.add(words(value)));
            } catch (Exception trouble) {
                found.add(failure(trouble));
            }
            break;
        default:
            try {
                if (!connections.containsKey(words[1]))
                    connections.put(words[1], connect(startup));
                String[] values = java.util.Arrays.copyOfRange(words, 3, words.length);
                found.add(words(ask(connections.get(words[1]), words[2], values)));
            } catch (Exception trouble) {
                found.add(failure(trouble));
            }
        }
    }

    private void end() throws SQLException {
        for (Connection connection : connections.values())
            connection.close();
        System.out.println(name + (found.isEmpty() ? "" : "\t" + String.join("\t", found)));
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        Script script = null;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t", -1);
            if (words[0].equals("script")) {
                if (script != null)
                    script.end();
                script = new Script(words[1]);
            } else {
                script.line(words);
            }
        }
        script.end();
    }
}

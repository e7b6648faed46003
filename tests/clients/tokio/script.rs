// SPDX-License-Identifier: PostgreSQL
// script - runs the scripts on its standard input with tokio-postgres and its defaults; session.py says how they look.

use futures_util::{pin_mut, stream, SinkExt, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::io::BufRead;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls, SimpleQueryMessage};

type Startup = HashMap<String, String>;
type Heard = mpsc::UnboundedReceiver<String>;

fn given(name: &str) -> String {
    std::env::var(format!("CLIENT_{name}")).unwrap_or_default()
}

/// A connection, and the payloads of the notifications that come over it.
async fn connect(startup: &Startup) -> Result<(Client, Heard), Error> {
    let mut config = Config::new();
    config.host(&given("HOST")).port(given("PORT").parse().unwrap());
    config.user(&given("USER")).dbname(&given("DATABASE"));
    let mut options = String::new();
    for (key, value) in startup {
        if key == "application_name" {
            config.application_name(value);
        } else {
            options += &format!(" -c {key}={value}");
        }
    }
    if !options.is_empty() {
        config.options(&options[1..]);
    }
    let (client, mut connection) = config.connect(NoTls).await?;
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notice) = message {
                let _ = tell.send(notice.payload().to_string());
            }
        }
    });
    Ok((client, heard))
}

/// With arguments prepared and bound, as text; without them as a simple query.
async fn ask(client: &Client, sql: &str, arguments: &[&str]) -> Result<String, Error> {
    if arguments.is_empty() {
        for message in client.simple_query(sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(if row.is_empty() { r"\N" } else { row.get(0).unwrap_or(r"\N") }.to_string());
            }
        }
        return Ok(r"\N".to_string());
    }
    let values: Vec<&(dyn ToSql + Sync)> = arguments.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
    let row = client.query_opt(sql, &values).await?;
    Ok(row.filter(|row| !row.is_empty()).map_or(r"\N".to_string(), |row| row.get(0)))
}

fn failure(name: &str, trouble: &Error) -> String {
    eprintln!("{name}: {trouble}");
    trouble.code().map_or(format!("!{trouble}"), |state| format!("!{}", state.code()))
}

async fn notify() -> Result<Vec<String>, Error> {
    let (hearer, mut heard) = connect(&Startup::new()).await?;
    let (mut teller, _unheard) = connect(&Startup::new()).await?;
    hearer.batch_execute("listen news").await?;
    teller.batch_execute("notify news, 'first'").await?;
    let transaction = teller.transaction().await?;
    transaction.batch_execute("notify news, 'second'").await?;
    transaction.commit().await?;
    let transaction = teller.transaction().await?;
    transaction.batch_execute("notify news, 'never'").await?;
    transaction.rollback().await?;
    let mut found = Vec::new();
    while found.len() < 3 {
        match tokio::time::timeout(Duration::from_secs(10), heard.recv()).await {
            Ok(Some(payload)) => found.push(payload),
            _ => return Ok([found, vec!["!nothing came in 10 s".to_string()]].concat()),
        }
        if found.len() == 2 {
            hearer.batch_execute("notify news, 'own'").await?;
        }
    }
    Ok(found)
}

async fn copy() -> Result<Vec<String>, Error> {
    let (client, _heard) = connect(&Startup::new()).await?;
    client.batch_execute("create temp table copied (n int, t text)").await?;
    let sink = client.copy_in("copy copied from stdin").await?;
    pin_mut!(sink);
    for n in 0..1000 {
        sink.send(bytes::Bytes::from(format!("{n}\tline {n}\n"))).await?;
    }
    let count = sink.finish().await?;
    let parts: Vec<bytes::Bytes> = client.copy_out("copy copied to stdout").await?.try_collect().await?;
    let lines: usize = parts.iter().map(|part| part.iter().filter(|&&byte| byte == b'\n').count()).sum();
    Ok(vec![count.to_string(), lines.to_string(), ask(&client, "select sum(n) from copied", &[]).await?])
}

async fn cancel() -> Result<Vec<String>, Error> {
    let (client, _heard) = connect(&Startup::new()).await?;
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    });
    let slept = client.batch_execute("select pg_sleep(30)").await;
    let state = slept.err().and_then(|trouble| trouble.code().map(|state| state.code().to_string()));
    Ok(vec![state.unwrap_or_default(), ask(&client, "select 'awake'", &[]).await?])
}

/// A portal that is read in parts, in a transaction with a savepoint that is rolled back.
async fn cursor() -> Result<Vec<String>, Error> {
    let (mut client, _heard) = connect(&Startup::new()).await?;
    let mut transaction = client.transaction().await?;
    let portal = transaction.bind("select n from generate_series(1, 100) n", &[]).await?;
    let mut sum = 0;
    loop {
        let rows = transaction.query_portal(&portal, 7).await?;
        if rows.is_empty() {
            break;
        }
        sum += rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>();
    }
    let inner = transaction.savepoint("ours").await?;
    let failed = inner.batch_execute("select 1 / 0").await.is_err();
    inner.rollback().await?;
    let after: i32 = transaction.query_one("select 7", &[]).await?.get(0);
    transaction.commit().await?;
    Ok(vec![sum.to_string(), failed.to_string(), after.to_string()])
}

/// Prepared once and used often, many at once over one connection, across DDL that changes the result.
async fn prepared() -> Result<Vec<String>, Error> {
    let (client, _heard) = connect(&Startup::new()).await?;
    client.batch_execute("drop table if exists shaped; create table shaped as select 1 as a").await?;
    let statement = client.prepare("select $1::int4 + 1").await?;
    let turns: Vec<i32> = (0..20).collect();
    let one = |turn: i32| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&turn]).await }
    };
    let rows = futures_util::future::try_join_all(turns.into_iter().map(one)).await?;
    let mut found = vec![rows.iter().map(|row| row.get::<_, i32>(0)).sum::<i32>().to_string()];
    let shape = client.prepare("select * from shaped").await?;
    for turn in 0..4 {
        if turn == 2 {
            client.batch_execute("alter table shaped add column b int").await?;
        }
        found.push(match client.query_one(&shape, &[]).await {
            Ok(row) => row.len().to_string(),
            Err(trouble) => trouble.code().map_or(String::new(), |state| state.code().to_string()),
        });
    }
    found.push(client.query_one("select * from shaped", &[]).await?.len().to_string());
    client.batch_execute("drop table shaped").await?;
    Ok(found)
}

struct Script {
    name: String,
    startup: Startup,
    connections: HashMap<String, (Client, Heard)>,
    found: Vec<String>,
}

impl Script {
    fn new(name: &str) -> Script {
        Script { name: name.to_string(), startup: Startup::new(), connections: HashMap::new(), found: Vec::new() }
    }

    async fn ask(&mut self, name: &str, sql: &str, arguments: &[&str]) -> Result<String, Error> {
        if !self.connections.contains_key(name) {
            self.connections.insert(name.to_string(), connect(&self.startup).await?);
        }
        ask(&self.connections[name].0, sql, arguments).await
    }

    async fn native(&mut self, name: &str) {
        let found = match name {
            "notify" => notify().await,
            "copy" => copy().await,
            "cancel" => cancel().await,
            "cursor" => cursor().await,
            _ => prepared().await,
        };
        match found {
            Ok(found) => self.found.extend(found),
            Err(trouble) => self.found.push(failure(&self.name, &trouble)),
        }
    }

    async fn line(&mut self, words: &[&str]) {
        match words[0] {
            "startup" => {
                self.startup.insert(words[1].to_string(), words[2].to_string());
            }
            "close" => {
                self.connections.remove(words[1]);
            }
            "native" => self.native(words[1]).await,
            _ => {
                let answer = self.ask(words[1], words[2], &words[3..]).await;
                let said = answer.unwrap_or_else(|trouble| failure(&self.name, &trouble));
                self.found.push(said.replace(['\t', '\n'], " "));
            }
        }
    }

    fn end(&self) {
        println!("{}", [std::slice::from_ref(&self.name), &self.found].concat().join("\t"));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut script: Option<Script> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split('\t').collect();
        if words[0] == "script" {
            if let Some(done) = script.take() {
                done.end();
            }
            script = Some(Script::new(words[1]));
        } else if let Some(current) = script.as_mut() {
            current.line(&words).await;
        }
    }
    if let Some(done) = script {
        done.end();
    }
}

//! A Kafka broker: one node, with plain, TLS and SASL listeners.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use crate::{Certificates, Folder, Port, Process, folder::installed, patience};

/// The broker. Topics must be made with [`Kafka::create_topic`].
#[derive(Debug)]
pub struct Kafka {
    pub plaintext: Port,
    /// TLS, with a certificate wanted from the client.
    pub tls: Port,
    /// TLS, with a login: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    pub sasl: Port,
    pub certificates: Certificates,
    controller: Port,
    folder: Folder,
    process: Process,
}

/// A record as a consumer sees it.
#[derive(Clone, Debug)]
pub struct Received {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    pub value: serde_json::Value,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Kafka {
    pub const USER: &str = "saker";
    pub const PASSWORD: &str = "correct-horse";

    pub fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// Starts a broker that tells clients of its plain listener to come to this address, at which
    /// somebody passes connections on to the same port of loopback.
    pub fn start_at(plain_host: Ipv4Addr) -> Self {
        let (folder, certificates) = (Folder::new("kafka"), Certificates::new());
        let [plaintext, tls, sasl, controller] = std::array::from_fn(|_| Port::reserve());
        let properties =
            properties(&folder, &certificates, plain_host, [&plaintext, &tls, &sasl, &controller]);
        folder.write("server.properties", properties);
        format_storage(&folder);
        let process = Process::start("Kafka", &broker(&folder), &folder.join("log"));
        let mut kafka = Self { plaintext, tls, sasl, certificates, controller, folder, process };
        kafka.wait_until_ready();
        kafka
    }

    /// Kills the broker; its data and ports stay.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts the broker again, on the same ports and data.
    pub fn restart(&mut self) {
        assert!(self.controller.number() > 0);
        self.process = Process::start("Kafka", &broker(&self.folder), &self.folder.join("log"));
        self.wait_until_ready();
    }

    fn consumer(&self, topic: &str) -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.plaintext.address())
            .set("group.id", uuid::Uuid::new_v4().to_string())
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[topic]).expect("a subscription");
        consumer
    }

    fn wait_until_ready(&mut self) {
        let address = self.plaintext.address();
        self.process.ready(|| ask_api_versions(&address));
    }

    /// Makes a topic with the given number of partitions.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", self.plaintext.address())
            .create()
            .expect("an admin client");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(patience()));
        let made = admin.create_topics([&topic], &options).await.expect("an answer of the broker");
        for topic in made {
            topic.unwrap_or_else(|(name, error)| panic!("topic {name} was not made: {error}"));
        }
    }

    /// Makes a topic, from a plain test.
    pub fn create_topic_now(&self, name: &str, partitions: i32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(self.create_topic(name, partitions));
    }

    /// Collects a topic's records from its start on, for as long as the test process lives.
    pub fn follow(&self, topic: &str) -> Follower {
        let records = Arc::new(Mutex::new(Vec::new()));
        let (consumer, collected) = (self.consumer(topic), Arc::clone(&records));
        std::thread::spawn(move || {
            loop {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
                    collected.lock().expect("no panic").push(received(&message));
                }
            }
        });
        Follower { records }
    }

    /// Returns the first `count` records of a topic, as soon as there are so many.
    pub fn records(&self, topic: &str, count: usize) -> Vec<Received> {
        let consumer = self.consumer(topic);
        let (start, mut records) = (Instant::now(), Vec::new());
        while records.len() < count {
            assert!(
                start.elapsed() < patience(),
                "{topic} has {} records, not {count}: {records:#?}",
                records.len()
            );
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => records.push(received(&message)),
                Some(Err(error)) => assert!(start.elapsed() < patience(), "no records: {error}"),
            }
        }
        records
    }
}

/// What a topic held so far.
#[derive(Debug)]
pub struct Follower {
    records: Arc<Mutex<Vec<Received>>>,
}

impl Follower {
    pub fn records(&self) -> Vec<Received> {
        self.records.lock().expect("no panic").clone()
    }
}

fn received(message: &impl Message) -> Received {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Received {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        headers: headers
            .map(|header| (header.key.to_owned(), text(header.value.unwrap_or_default())))
            .collect(),
        value: serde_json::from_slice(message.payload().unwrap_or_default()).expect("JSON"),
    }
}

fn properties(
    folder: &Folder,
    certificates: &Certificates,
    plain_host: Ipv4Addr,
    ports: [&Port; 4],
) -> String {
    let plain_advertised = format!("{plain_host}:{}", ports[0].number());
    let [plaintext, tls, sasl, controller] = ports.map(Port::address);
    let jaas = "org.apache.kafka.common.security";
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{plaintext},SSL://{tls},SASL_SSL://{sasl},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{plain_advertised},SSL://{tls},SASL_SSL://{sasl}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required \
user_{user}=\"{password}\";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
",
        data = folder.join("data").display(),
        keystore = certificates.server.both.display(),
        truststore = certificates.authority.display(),
        user = Kafka::USER,
        password = Kafka::PASSWORD,
    )
}

fn java(folder: &Folder) -> Command {
    let mut command = Command::new("java");
    let jars = installed("kafka-4.1.0").join("lib/*");
    // A short life on few cores: the compiler's last tier never pays.
    command.args([
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "-cp",
    ]);
    command.arg(jars).current_dir(folder.path());
    command
}

fn broker(folder: &Folder) -> Command {
    let mut command = java(folder);
    command.args(["kafka.Kafka", "server.properties"]);
    command
}

fn format_storage(folder: &Folder) {
    let scram =
        |mechanism| format!("{mechanism}=[name={},password={}]", Kafka::USER, Kafka::PASSWORD);
    let mut command = java(folder);
    command
        .args(["kafka.tools.StorageTool", "format", "--standalone"])
        .args(["-t", "c2FrZXItZW5kLXRvLWVuZA", "-c", "server.properties"])
        .args(["--add-scram", &scram("SCRAM-SHA-256"), "--add-scram", &scram("SCRAM-SHA-512")]);
    let output = command.output().expect("java");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Asks as every client does first; a broker that answers takes requests.
fn ask_api_versions(address: &str) -> std::io::Result<()> {
    // Length, API key 18, version 0, correlation id 7, no client id.
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(&REQUEST)?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    let (correlation, error) = (&answer[4..8], &answer[8..10]);
    if correlation == [0, 0, 0, 7] && error == [0, 0] {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("unexpected answer {answer:?}")))
    }
}

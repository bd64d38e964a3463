//! A TCP proxy in front of a server, in most tests the broker: the network's misfortunes, for one connection at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{broadcast, watch},
};

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    /// Passes them on.
    Up,
    /// Swallows what the server says, and keeps the connection open.
    Silent,
    /// Ends every connection at once.
    Cut,
    /// Passes nothing on in this direction, and keeps what comes for later.
    Frozen(Towards),
    /// Passes on what comes in this direction, each piece a moment later.
    Slow(Towards),
}

/// Whom bytes go to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Towards {
    Server,
    Client,
}

/// How long a slow network keeps each piece.
const SLOW: Duration = Duration::from_millis(20);

/// Bytes of the client that are replaced on their way to the broker, by as many.
pub(crate) type Rewrite = Option<(Vec<u8>, Vec<u8>)>;

/// A proxy that lives as long as the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    network: watch::Sender<Network>,
    injected: broadcast::Sender<Vec<u8>>,
    connections: Arc<AtomicUsize>,
    open: watch::Sender<usize>,
}

impl Proxy {
    pub(crate) async fn start(broker: &str, rewrite: Rewrite) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (network, watched) = watch::channel(Network::Up);
        let injected = broadcast::Sender::new(16);
        let (broker, inject) = (broker.to_owned(), injected.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let open = watch::Sender::new(0);
        let carried = open.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                // Whoever is not there is not there behind a proxy either.
                let Ok(broker) = TcpStream::connect(&broker).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_broker, to_broker) = broker.into_split();
                let towards_broker = Direction {
                    from: from_client,
                    to: to_broker,
                    network: watched.clone(),
                    towards: Towards::Server,
                    injected: inject.subscribe(),
                    rewrite: rewrite.clone(),
                };
                let towards_client = Direction {
                    from: from_broker,
                    to: to_client,
                    network: watched.clone(),
                    towards: Towards::Client,
                    injected: inject.subscribe(),
                    rewrite: None,
                };
                for direction in [towards_broker, towards_client] {
                    carried.send_modify(|open| *open += 1);
                    let carried = carried.clone();
                    tokio::spawn(async move {
                        direction.carry().await;
                        carried.send_modify(|open| *open -= 1);
                    });
                }
            }
        });
        Self { address, network, injected, connections, open }
    }

    /// Ends every connection, and passes on what new ones bring.
    pub(crate) async fn cut_once(&self) {
        self.set(Network::Cut);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open == 0).await.unwrap();
        self.set(Network::Up);
    }

    /// How many connections there were so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Tells the client, in the broker's name, that publishers are blocked.
    pub(crate) fn block(&self) {
        // A method frame on channel 0: connection (10), blocked (60), an empty reason.
        self.inject(&[1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 60, 0, 0xCE]);
    }

    /// Tells the client that publishers are blocked no longer.
    pub(crate) fn unblock(&self) {
        self.inject(&[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xCE]);
    }

    /// Ends the connection in the broker's name, as an operator has it do.
    pub(crate) fn end_connection(&self) {
        // Connection (10), close (50), connection forced (320), a text of 3 bytes, for no method.
        self.inject(&[1, 0, 0, 0, 0, 0, 14, 0, 10, 0, 50, 1, 64, 3, b'b', b'y', b'e', 0, 0, 0, 0, 0xCE]);
    }

    /// Ends the first channel in the broker's name, as it does over a delivery that is acknowledged too late.
    pub(crate) fn end_channel(&self) {
        // Channel (20), close (40), precondition failed (406), a text of 4 bytes, for no method.
        self.inject(&[
            1, 0, 1, 0, 0, 0, 15, 0, 20, 0, 40, 1, 150, 4, b'l', b'a', b't', b'e', 0, 0, 0, 0, 0xCE,
        ]);
    }

    fn inject(&self, frame: &[u8]) {
        self.injected.send(frame.to_vec()).unwrap();
    }
}

/// One direction of one connection.
struct Direction {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    network: watch::Receiver<Network>,
    towards: Towards,
    injected: broadcast::Receiver<Vec<u8>>,
    rewrite: Rewrite,
}

impl Direction {
    /// Carries bytes until either side ends, or the network is cut.
    async fn carry(self) {
        let mut network = self.network.clone();
        let cut = async move { drop(network.wait_for(|state| *state == Network::Cut).await) };
        tokio::select! {
            () = cut => {}
            _ = self.carry_on() => {}
        }
    }

    async fn carry_on(mut self) -> Option<()> {
        let mut buffer = vec![0; 65536];
        loop {
            tokio::select! {
                frame = self.injected.recv() => {
                    let frame = frame.ok()?;
                    if self.towards == Towards::Client {
                        self.to.write_all(&frame).await.ok()?;
                    }
                }
                length = self.from.read(&mut buffer) => {
                    let read = &mut buffer[..length.ok().filter(|length| *length > 0)?];
                    if self.towards == Towards::Client && *self.network.borrow() == Network::Silent {
                        continue;
                    }
                    if let Some((original, replacement)) = &self.rewrite {
                        replace(read, original, replacement);
                    }
                    let towards = self.towards;
                    self.network.wait_for(|state| *state != Network::Frozen(towards)).await.ok()?;
                    if *self.network.borrow() == Network::Slow(towards) {
                        tokio::time::sleep(SLOW).await;
                    }
                    self.to.write_all(read).await.ok()?;
                }
            }
        }
    }
}

fn replace(bytes: &mut [u8], original: &[u8], replacement: &[u8]) {
    assert_eq!(original.len(), replacement.len());
    for start in 0..bytes.len().saturating_sub(original.len() - 1) {
        let found = &mut bytes[start..start + original.len()];
        if found == original {
            found.copy_from_slice(replacement);
        }
    }
}

/// Fails the test where something that must end pends.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(5), what).await.expect("took longer than 5 min")
}

//! One thread of the data plane: a current-thread runtime that keeps its connections, its pools and its counters to
//! itself.

use super::accept::{self, Door};
use super::answer::Journeys;
use super::core::Core;
use crate::net::accepted::Acceptor;
use crate::net::listen;
use crate::net::stop::Stop;
use socket2::Socket;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What the control side tells a worker.
pub enum Order {
    Listen {
        door: Arc<Door>,
        sockets: Vec<Socket>,
    },
    Unlisten {
        address: Arc<str>,
    },
    /// Go on accepting, and let the connections that are open finish what runs: the listener's rules for connections
    /// have changed.
    Renew {
        address: Arc<str>,
    },
    /// Say that you are alive.
    Answer(oneshot::Sender<()>),
    /// Stop accepting, finish what runs, end.
    Drain,
    /// After [`Order::Drain`]: end now, whatever runs.
    Cut,
}

/// A running worker.
pub struct Worker {
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// How often the access log is handed on, so that a quiet gateway's log is fresh.
const FLUSH: Duration = Duration::from_millis(50);
/// How often pools are swept, in flushes.
const SWEEP: u32 = 100;

impl Worker {
    /// Starts worker `n`. `core` is called on its thread.
    pub fn start<J: Journeys + Send>(
        n: usize,
        journeys: J,
        core: impl FnOnce() -> Rc<Core> + Send + 'static,
    ) -> std::io::Result<Worker> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => {
                    let (local, core) = (tokio::task::LocalSet::new(), core());
                    local.block_on(&runtime, work(journeys, core.clone(), inbox));
                    // What is cut gets its record as well.
                    drop(local);
                    core.access.flush();
                    // A look-up of a name may hang in the system's resolver: nobody waits for it.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "a worker's runtime did not start"),
            }
        };
        let thread = std::thread::Builder::new().name(format!("worker-{n}")).spawn(run)?;
        Ok(Worker { orders, thread: Some(thread) })
    }

    /// Passes an order on. A worker that is gone takes none.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Answered by the worker's own thread: a sign that it is not stuck.
    pub fn ask(&self) -> oneshot::Receiver<()> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Answer(answer));
        answered
    }

    /// Waits for the worker's end, for which [`Order::Drain`] asks.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Whether the worker has ended.
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// A listener's sockets and the connections that were accepted on them.
struct Listening {
    door: Arc<Door>,
    sockets: Vec<Socket>,
    /// Every connection holds a hearer: none left means that all are closed.
    stop: Stop,
}

impl Listening {
    /// Accepts on duplicates of the sockets, so that accepting can begin anew without a caller being turned away.
    fn begin<J: Journeys>(
        journeys: J,
        core: &Rc<Core>,
        door: Arc<Door>,
        sockets: Vec<Socket>,
    ) -> std::io::Result<Listening> {
        let stop = Stop::default();
        for socket in listen::again(&sockets)? {
            let acceptor = Acceptor::on(socket)?;
            let accepting = accept::accept(journeys, core.clone(), door.clone(), acceptor, stop.hearer());
            // Whoever waits is taken in at once: what waits in the kernel's queue is a delay that nobody measures.
            tokio::task::spawn_local(tokio::task::unconstrained(accepting));
        }
        Ok(Listening { door, sockets, stop })
    }

    /// Accepts anew, for connections by other rules.
    fn anew<J: Journeys>(&self, journeys: J, core: &Rc<Core>) -> std::io::Result<Listening> {
        Listening::begin(journeys, core, self.door.clone(), listen::again(&self.sockets)?)
    }

    /// Stops accepting and lets what runs finish. What is returned is alone after the last connection.
    fn end(self) -> Stop {
        self.stop.tell();
        self.stop
    }
}

/// Follows orders until drained.
async fn work<J: Journeys>(journeys: J, core: Rc<Core>, mut inbox: mpsc::UnboundedReceiver<Order>) {
    let mut listening: HashMap<Arc<str>, Listening> = HashMap::new();
    let mut leaving: Vec<Stop> = Vec::new();
    let ticker = tokio::task::spawn_local(tick(core.clone()));
    while let Some(order) = inbox.recv().await {
        leaving.retain(|stop| !stop.is_alone());
        let begun = match order {
            Order::Listen { door, sockets } => Listening::begin(journeys, &core, door, sockets),
            Order::Renew { address } => match listening.get(&address) {
                Some(old) => old.anew(journeys, &core),
                None => continue,
            },
            Order::Unlisten { address } => {
                leaving.extend(listening.remove(&address).map(Listening::end));
                continue;
            }
            Order::Answer(answer) => {
                let _ = answer.send(());
                continue;
            }
            Order::Drain | Order::Cut => break,
        };
        match begun {
            // The old one ends once the new one has begun, so a failure leaves a door open, not shut.
            Ok(new) => leaving.extend(listening.insert(new.door.address().clone(), new).map(Listening::end)),
            Err(error) => tracing::error!(%error, "cannot accept anew: what listened before, if anything, goes on"),
        }
    }
    leaving.extend(listening.into_values().map(Listening::end));
    let finished = async {
        for stop in leaving {
            stop.alone().await;
        }
    };
    tokio::select! {
        () = finished => {}
        () = cut(&mut inbox) => core.cut.set(true),
    }
    ticker.abort();
}

/// Comes back when no more is to be waited for.
async fn cut(inbox: &mut mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Cut => return,
            Order::Answer(answer) => _ = answer.send(()),
            Order::Listen { .. } | Order::Unlisten { .. } | Order::Renew { .. } | Order::Drain => {}
        }
    }
}

async fn tick(core: Rc<Core>) {
    let mut beat = tokio::time::interval(FLUSH);
    let mut beats = 0u32;
    loop {
        beat.tick().await;
        core.access.flush();
        beats = beats.wrapping_add(1);
        if beats.is_multiple_of(SWEEP) {
            core.upstreams.sweep();
            // A core without requests would hold an old generation, and its secrets, for as long.
            drop(core.live());
        }
    }
}

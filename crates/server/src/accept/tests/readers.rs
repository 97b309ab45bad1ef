//! Clients that read their answers slowly, or not at all.

use super::*;

#[tokio::test]
async fn who_does_not_read_is_given_up() {
    let world = World::new(Settings { write_patience: SHORT, ..settings() }).await;
    let mut client = world.connect().await;
    client.asks("/big").await;
    client.hears("200 OK").await;
    // The connection is given up while nobody reads on.
    world.ended().await;
    assert!(client.end().await.len() < BIG);
    // Nor may answers pile up.
    let mut client = world.connect().await;
    let pile = "GET /big HTTP/1.1\r\nhost: here\r\n\r\n".repeat(100);
    client.say(&pile).await;
    client.hears("200 OK").await;
    world.ended().await;
}

#[tokio::test]
async fn who_reads_slowly_is_borne_with() {
    let world = World::new(Settings { write_patience: SHORT, ..settings() }).await;
    let mut client = world.connect().await;
    client.asks("/big").await;
    // In all it takes longer than the patience, but never does nothing happen for so long.
    let mut tick = tokio::time::interval(SHORT / 20);
    let (mut heard, mut buffer) = (0, vec![0; BIG / 50]);
    while heard < BIG {
        tick.tick().await;
        let read = timeout(DEADLINE, client.0.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "it was given up after {heard} bytes");
        heard += read;
    }
}

/// What is asked of clients in the next tests: 1 MiB a second, over a second.
const RATE: usize = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

/// Reads so many bytes in each tenth of a second, until there is no more. Gives how many there were.
async fn reads_at(client: &mut Client, bytes_each: usize) -> usize {
    client.asks("/big").await;
    let mut tick = tokio::time::interval(SECOND / 10);
    let (mut heard, mut buffer) = (0, vec![0; bytes_each]);
    while heard < BIG {
        tick.tick().await;
        // What is read in one go may be less than there is.
        let reading = async {
            let mut read = 0;
            while read < bytes_each {
                match client.0.read(&mut buffer[read..]).await {
                    Ok(more @ 1..) => read += more,
                    Ok(0) | Err(_) => break,
                }
            }
            read
        };
        match timeout(DEADLINE, reading).await.expect("it comes, or the end does") {
            0 => break,
            read => heard += read,
        }
    }
    heard
}

#[tokio::test]
async fn who_reads_at_a_trickle_is_given_up() {
    let rate = NonZeroUsize::new(RATE);
    let world = World::new(Settings { write_patience: SECOND, read_rate: rate, ..settings() }).await;
    // Not nothing, which alone is what patience is about, but a tenth of what is asked.
    assert!(reads_at(&mut world.connect().await, RATE / 100).await < BIG);
    world.ended().await;
}

#[tokio::test]
async fn who_reads_slowly_but_fast_enough_gets_everything() {
    let rate = NonZeroUsize::new(RATE);
    let world = World::new(Settings { write_patience: SECOND, read_rate: rate, ..settings() }).await;
    let began = Instant::now();
    // Faster than asked by a margin for a machine that is busy with other things.
    assert!(reads_at(&mut world.connect().await, RATE).await >= BIG);
    assert!(began.elapsed() > 2 * SECOND, "it was not read at once");
}
